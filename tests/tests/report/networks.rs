//! Networks as the report draws them: a row for each stage, a line for each residual.

use super::*;

/// A connection as it is drawn: its words, its first and its last height, and the lane that it is on.
#[derive(Debug)]
struct Connection {
    about: String,
    top: f64,
    bottom: f64,
    lane: Option<f64>,
    thickness: f64,
}

fn connections(svg: &str) -> Vec<Connection> {
    let connection = |element: &str| {
        let (path, rest) = element.split_once('"').unwrap();
        let numbers: Vec<f64> = path
            .split(|character: char| character.is_ascii_alphabetic() || character == ' ')
            .filter(|number| !number.is_empty())
            .map(|number| number.parse().unwrap())
            .collect();
        let between = |begin: &str, end: &str| rest.split(begin).nth(1).unwrap().split(end).next().unwrap().to_owned();
        let (lane, bottom) = match numbers[..] {
            [_, _, bottom] => (None, bottom),
            [x, top, _, top1, x1, _, x2, down, up, x3, _, _, bottom1, x4, bottom] => {
                assert!(x1 < x && [x1, x1, x] == [x2, x3, x4], "{path}");
                assert!([top, bottom] == [top1, bottom1] && top < down && down <= up && up < bottom, "{path}");
                (Some(x1), bottom)
            }
            _ => panic!("{path}"),
        };
        let thickness = between("stroke-width=\"", "\"").parse().unwrap();
        Connection { about: between("<title>", "</title>"), top: numbers[1], bottom, lane, thickness }
    };
    svg.split("<path d=\"").skip(1).map(connection).collect()
}

/// What the drawing has to connect, in its words.
fn expected_connections(architecture: &Architecture) -> Vec<String> {
    let stages = architecture.stages();
    let called = |index: usize| {
        let stage = &stages[index];
        let number = match stage.fused {
            Some(_) => format!("{}–{}", stage.index, stage.index + 1),
            None => stage.index.to_string(),
        };
        let name = stage.fused.unwrap_or(stage.layer).name.as_ref();
        name.map_or(number.clone(), |name| format!("{number} ({name})"))
    };
    let source = |source| match source {
        Source::Image => "the image".to_owned(),
        Source::Output(stage) => called(stage),
    };
    let mut expected = Vec::new();
    for (index, stage) in stages.iter().enumerate() {
        expected.push(format!("{} reads {}", called(index), source(stage.reads.input)));
        expected.extend(stage.reads.residual.map(|read| format!("{} adds {}", called(index), source(read))));
    }
    expected
}

/// Every connection is there once, one that passes a stage is on a lane, and no two touch on a lane.
fn check_connections(architecture: &Architecture) -> usize {
    let drawn = connections(&network::drawing(architecture).inline("a graph"));
    let mut words: Vec<&str> = drawn.iter().map(|connection| connection.about.as_str()).collect();
    let mut expected = expected_connections(architecture);
    words.sort_unstable();
    expected.sort_unstable();
    assert_eq!(words, expected);

    let row = drawn.iter().map(|one| one.bottom - one.top).fold(f64::INFINITY, f64::min);
    for (index, one) in drawn.iter().enumerate() {
        assert!(one.top < one.bottom, "{one:?}");
        assert_eq!(one.lane.is_some(), one.bottom - one.top > 1.5 * row, "{one:?}");
        let Some(lane) = one.lane else { continue };
        assert!(lane - one.thickness / 2.0 >= 0.0, "outside of the drawing: {one:?}");
        for other in &drawn[index + 1..] {
            let Some(next) = other.lane else { continue };
            let apart = (lane - next).abs() >= 0.7 * (one.thickness + other.thickness);
            let after = one.bottom <= other.top || other.bottom <= one.top;
            assert!(apart || (lane == next && after), "{one:?} and {other:?}");
            // One around another is further outside, so that they do not cross.
            let (outer, inner) =
                if one.bottom - one.top > other.bottom - other.top { (one, other) } else { (other, one) };
            let is_around = outer.top <= inner.top && inner.bottom <= outer.bottom;
            assert!(!is_around || outer.lane < inner.lane, "{outer:?} around {inner:?}");
        }
    }
    drawn.iter().filter(|connection| connection.lane.is_some()).count()
}

/// A network of layers of one shape, each with a name. `choices` are, for each layer, which value before it it reads, and
/// which it adds, if any, counted back from the last one. What nothing reads is added at the end.
fn graph(choices: &[(usize, Option<usize>)]) -> Architecture {
    let name = |index: usize| index.checked_sub(1).map_or_else(|| "image".to_owned(), |index| format!("n{index}"));
    let mut nodes: Vec<Node> = Vec::new();
    // Whether a layer reads each value; value 0 is the image, and value `n + 1` is that of layer `n`.
    let mut is_read = vec![true];
    let mut push = |read: usize, added: Option<usize>, is_read: &mut Vec<bool>| {
        let residual = added.filter(|&added| added != read).map(name);
        for value in [Some(read), residual.is_some().then_some(added).flatten()].into_iter().flatten() {
            is_read[value] = true;
        }
        let node = if residual.is_some() { add() } else { conv(2, 1) };
        let input = (read + 1 != is_read.len()).then(|| name(read));
        nodes.push(Node { name: Some(name(is_read.len())), input, residual, ..node });
        is_read.push(false);
    };
    for &(read, added) in choices {
        let last = is_read.len() - 1;
        push(last - read.min(last), added.map(|added| last - added.min(last)), &mut is_read);
    }
    while let Some(value) = is_read[..is_read.len() - 1].iter().position(|&is_read| !is_read) {
        push(is_read.len() - 1, Some(value), &mut is_read);
    }
    nodes.push(Node::new(Layer::Dense(Dense { outputs: 2, relu: false })));
    Architecture::new("graph".to_owned(), Shape { height: 3, width: 3, channels: 2 }, &nodes).unwrap()
}

proptest! {
    #[test]
    fn connections_of_random_graphs_are_drawn_once_and_on_lanes_that_do_not_overlap(
        choices in prop::collection::vec(
            (prop_oneof![3 => Just(0usize), 1 => 0usize..60], prop::option::of(0usize..60)),
            1..60,
        )
    ) {
        check_connections(&graph(&choices));
    }
}

#[test]
fn the_built_in_networks_are_drawn_with_their_residuals() {
    let aside = |name: &str| check_connections(&Architecture::built_in(name).unwrap());
    assert_eq!(["mlp", "cnn", "small", "mobilenet", "resnet8"].map(aside), [0, 0, 0, 0, 5]);
}

#[test]
fn the_most_lanes_that_there_can_be_are_drawn_apart() {
    // A chain of 62 layers, which are added up from the first to the last, or from the last to the first.
    let chain = vec![(0, None); 62];
    let adds = |distance: fn(usize) -> usize| (1..62).map(|index| (0, Some(distance(index)))).collect::<Vec<_>>();
    for adds in [adds(|index| 2 * index), adds(|_| 61)] {
        assert_eq!(check_connections(&graph(&[&chain[..], &adds].concat())), 61);
    }
}

#[test]
fn a_stage_is_a_row_with_its_kind_its_output_and_its_share_of_the_work() {
    let named = |name: &str, node: Node| Node { name: Some(name.to_owned()), ..node };
    let nodes = [
        conv(4, 3),
        named("stem <1>", pool()),
        conv(4, 3),
        Node { residual: Some("stem <1>".to_owned()), ..add() },
        Node::new(Layer::Dense(Dense { outputs: 3, relu: false })),
    ];
    let input = Shape { height: 8, width: 8, channels: 1 };
    let architecture = Architecture::new("mine".to_owned(), input, &nodes).unwrap();
    let svg = network::drawing(&architecture).inline("a graph");
    // 2,304 and 2,304 and 192 multiply-accumulates.
    for text in [
        "image",
        "8x8x1",
        "0–1",
        "conv 3x3x4 same + relu, max-pool 2x2",
        "stem &lt;1&gt;",
        "4x4x4, 40 parameters",
        "4x4x4, 148 parameters",
        "48%",
        "2,304",
        "add + relu",
        "4x4x4",
        "dense 3",
        "3, 195 parameters",
        "4%",
        "192",
    ] {
        assert!(svg.contains(&format!(">{text}</text>")), "{text} is missing: {svg}");
    }
    let words = "<desc>4 stages from top to bottom; each reads the one above it, but for these connections: 3 adds 0–1 (stem \
                 &lt;1&gt;).</desc>";
    assert!(svg.contains(words), "{svg}");
    assert!(svg.contains("role=\"img\" aria-label=\"a graph\""), "{svg}");
}

#[test]
fn a_kind_that_is_too_long_loses_batch_norm_and_then_the_size_of_its_pool() {
    let conv = |conv: Conv| Node::new(Layer::Conv(Conv { batch_norm: true, ..conv }));
    let padding = Padding::Explicit { above: 7, left: 7, below: 7, right: 7 };
    let nodes = [
        conv(Conv::square(64, 3, Padding::Same, true)),
        pool(),
        conv(Conv { relu6: true, ..Conv::square(64, 15, padding, false) }),
        pool(),
        Node::new(Layer::Dense(Dense { outputs: 3, relu: false })),
    ];
    let input = Shape { height: 32, width: 32, channels: 3 };
    let architecture = Architecture::new("mine".to_owned(), input, &nodes).unwrap();
    let svg = network::drawing(&architecture).inline("a graph");
    for text in ["conv 3x3x64 same + relu, max-pool 2x2", "conv 15x15x64 padding 7,7,7,7 + relu6, pool"] {
        assert!(svg.contains(&format!(">{text}</text>")), "{text} is missing: {svg}");
    }
}

#[test]
fn a_network_is_on_the_page_where_it_branches_or_is_long() {
    let has_graph = |layers: Vec<Node>| {
        let (_home, record, findings) = written(&Run { layers, ..convolutions() }, "run");
        let html = page::html(&[(record, findings)]).unwrap();
        assert_eq!(html.matches("aria-label=\"Layers\"").count(), 1, "the table is there in any case");
        html.contains(">The network as a graph</h3>")
    };
    let chain = |layers| vec![conv(2, 1); layers];
    assert_eq!([7, 8].map(|layers| has_graph(chain(layers))), [false, true]);
    let branch = Node { residual: Some("image".to_owned()), ..add() };
    assert!(has_graph(vec![conv(3, 1), branch]));
}

#[test]
fn a_page_with_as_many_stages_as_there_may_be_is_small() {
    let mut layers = vec![Node { name: Some("0".to_owned()), ..conv(3, 3) }];
    for block in 1..=42 {
        let residual = Some((block - 1).to_string());
        layers.extend([conv(3, 3), conv(3, 3), Node { name: Some(block.to_string()), residual, ..add() }]);
    }
    let (_home, record, findings) = written(&Run { layers, epochs: 2, ..smallest() }, "deep");
    assert_eq!(record.architecture.stages().len(), 128);
    assert_eq!(check_connections(&record.architecture), 42);
    let graph = figure(Kind::Network, &record, &findings).inline().len();
    let page = page::html(&[(record, findings)]).unwrap().len();
    println!("{graph} bytes of {page}");
    assert!(graph < 150_000 && page < 400_000, "{graph} bytes of {page}");
}
