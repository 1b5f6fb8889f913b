//! Networks of random shapes in one file, for a chip to run one after the other, and networks of known shape whose numbers
//! are the same on every machine.
//!
//! A bundle is, for each network: the length of the model in four bytes, the model, [`IMAGES`] images.

use std::fs;
use std::ops::Range;

use infer_core::format::{Layout, MAX_STAGES, Window};
use infer_core::operators::ROUNDED_ONCE;
use infer_core::plan::Places;
use infer_core::{Header, Shape};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use thimble_tests::layer_names::{MEASURED, single_layer};
use thimble_tests::random_graph::{Node, RandomGraph, random_graphs};
use thimble_tests::random_model::{Kind, RandomModel, depthwise_models, random_models, square, transformed_models};
use thimble_tests::without_zeros::{self, COUNTED};
use trainer::image::parse_shape;

use crate::{Outcome, parity};

/// Images of each network: black, sparse, and without zeros.
const IMAGES: u64 = 3;

/// What random networks have too seldom: convolutions with a pool over an edge, of one channel, of channels in fours, of more taps
/// than a kernel may add up without a fold or than three sums hold four of, in blocks that are not full, of few taps; first layers of whole blocks of channels, whose
/// inputs have few zeros; depthwise convolutions of one and two rows; average pools of more codes than a kernel may add without
/// widening their sum; dense layers of more rows than are computed at a time; sums of all shifts; and pointwise convolutions of an odd number of positions, in
/// vectors.
const RARE: &[&str] = &[
    "conv-pool:9x8x1:10:3:same",
    "conv-pool:9x8x28:10:3:same",
    "conv-pool:9x8x33:10:3:same",
    "conv-pool:6x7x13:12:7:same",
    "conv-pool:9x7x1:16:1:same",
    "conv-pool:8x9x3:24:2:same",
    "conv:7x5x1:8:1:same",
    "conv:7x5x3:16:3:same",
    "conv:9x6x2:24:2x3:same:2",
    "conv:5x5x128:11:3:same",
    "vector:conv:3x3x16:20:1:same",
    "vector:conv:5x5x32:7:1:same",
    "depthwise:1x7x4:3:same:2",
    "depthwise:2x6x9:3:same",
    "depthwise:2x5x3:3:same",
    "depthwise:9x8x9:3:same:2",
    "average-pool:20x30x6:0:1",
    "average-pool:4x150x5:3x140:1",
    "dense:7x7x5:289",
    "dense:9x7x5:471",
    "sums",
];

/// Writes `count` random networks, the same each time: chains, and every third one with branches and overlapping places. Those in
/// which a layer has another layout of weights follow once more, in each layout. Then half as many networks of transformed weights, as many
/// of depthwise convolutions in vectors, and those that are [`RARE`].
pub fn write(bundle: &str, count: &str) -> Outcome<()> {
    let mut runner = TestRunner::deterministic();
    let mut bytes = Vec::new();
    let count = count.parse::<usize>()?;
    for number in 0..count {
        if number % 3 == 2 {
            let graph = random_graphs().new_tree(&mut runner).map_err(|reason| reason.to_string())?.current();
            for file in in_layouts(|layout| graph.file_in(&[layout], Places::Overlapping)) {
                bytes.extend(bundled(&file, 0..IMAGES, |index| graph.image(index))?);
            }
        } else {
            let model = random_models().new_tree(&mut runner).map_err(|reason| reason.to_string())?.current();
            for file in in_layouts(|layout| model.file_in(layout)) {
                bytes.extend(bundled(&file, 0..IMAGES, |index| model.image(index))?);
            }
        }
    }
    for _ in 0..count / 2 {
        let model = transformed_models().new_tree(&mut runner).map_err(|reason| reason.to_string())?.current();
        bytes.extend(bundled(&model.file_in(Layout::Winograd), 0..IMAGES, |index| model.image(index))?);
        let model = depthwise_models().new_tree(&mut runner).map_err(|reason| reason.to_string())?.current();
        bytes.extend(bundled(&model.file_in(Layout::Vector), 0..IMAGES, |index| model.image(index))?);
    }
    for name in RARE {
        let (file, image) = named(name)?;
        bytes.extend(bundled(&file, 0..IMAGES, image)?);
    }
    fs::write(bundle, bytes)?;
    Ok(())
}

/// A network in all layouts that differ in it.
fn in_layouts(file: impl Fn(Layout) -> Vec<u8>) -> Vec<Vec<u8>> {
    let mut files = Layout::ALL.map(file).to_vec();
    files.dedup();
    files
}

/// A model and some of its images, as they are in a bundle.
pub fn bundled(file: &[u8], images: Range<u64>, image: impl Fn(u64) -> Vec<u8>) -> Outcome<Vec<u8>> {
    let mut bytes = u32::try_from(file.len())?.to_le_bytes().to_vec();
    bytes.extend(file);
    bytes.extend(images.flat_map(image));
    Ok(bytes)
}

/// Writes the networks that costs are measured with, each with an image without zeros: single layers, then whole networks.
pub fn write_measured(bundle: &str) -> Outcome<()> {
    let mut bytes = Vec::new();
    for name in MEASURED.iter().chain(COUNTED) {
        let (file, image) = named(name)?;
        bytes.extend(bundled(&file, 0..1, image)?);
    }
    fs::write(bundle, bytes)?;
    Ok(())
}

/// Checks the logits of every image of every network.
pub fn compare(bundle: &str, logits: &str) -> Outcome<()> {
    let (bundle, logits) = (fs::read(bundle)?, fs::read(logits)?);
    let (mut unread, mut unchecked) = (&*bundle, &*logits);
    let (mut networks, mut different) = (0, 0);
    let missing = || format!("{} bytes of logits are not enough", logits.len());
    while let Some((len, rest)) = unread.split_first_chunk() {
        let (model, rest) =
            rest.split_at_checked(u32::from_le_bytes(*len) as usize).ok_or("the bundle is truncated")?;
        let header = Header::parse(model)?;
        let images_len = header.input_len as usize * IMAGES as usize;
        let (images, rest) = rest.split_at_checked(images_len).ok_or("the bundle is truncated")?;
        let answers_len = header.classes as usize * size_of::<i32>() * IMAGES as usize;
        let (answers, more) = unchecked.split_at_checked(answers_len).ok_or_else(missing)?;
        let lines = parity::differences(model, 0, images, answers)?;
        lines.iter().for_each(|line| eprintln!("network {networks}, {line}"));
        different += lines.len();
        networks += 1;
        (unread, unchecked) = (rest, more);
    }
    println!("{networks} networks, {different} mismatches");
    if !unchecked.is_empty() {
        return Err(format!("{} bytes of logits too many", unchecked.len()).into());
    }
    if different == 0 && networks > 0 { Ok(()) } else { Err("the chip computes something else than the host".into()) }
}

/// Writes a network of known shape and random weights, and images: 60% black, or, of a single layer or of an architecture, without
/// zeros.
pub fn synthetic(name: &str, model: &str, images: &str) -> Outcome<()> {
    let (file, image) = named(name)?;
    fs::write(model, file)?;
    fs::write(images, (0..12).flat_map(image).collect::<Vec<_>>())?;
    Ok(())
}

/// Draws the image of that number.
type Draw = Box<dyn Fn(u64) -> Vec<u8>>;

/// A network by its name, as a file, and its images.
fn named(name: &str) -> Outcome<(Vec<u8>, Draw)> {
    let (layout, name) = layout(name);
    if let Some((graph, places)) = graph(name)? {
        // The network named all has every layout too.
        let layouts = if name == "all" { vec![Layout::Winograd, Layout::Vector] } else { vec![layout] };
        let file = graph.file_in(&layouts, places);
        // What is measured with it is counted for every network.
        if name == "all" && Header::parse(&file)?.operators != ROUNDED_ONCE {
            return Err("the network named all has not every operator".into());
        }
        return Ok((file, Box::new(move |index| graph.image(3 * index + 2))));
    }
    if let Some(architecture) = without_zeros::architecture(name) {
        let file = without_zeros::model_in(&architecture, layout);
        return Ok((file, Box::new(move |index| without_zeros::image(&architecture, index))));
    }
    let image = Shape { height: 28, width: 28, channels: 1 };
    let (input, layers) = match name {
        "mlp" => (image, vec![Kind::Dense(350)]),
        "cnn" => (image, vec![Kind::square(32, 3, false), Kind::HALVES, Kind::Dense(100)]),
        "chain" => {
            let conv = Kind::square(8, 3, true);
            (image, vec![conv, conv, Kind::HALVES, Kind::HALVES, Kind::Dense(16)])
        }
        "conv" => (Shape { height: 12, width: 12, channels: 16 }, vec![Kind::square(32, 3, true)]),
        "conv-pool" => (Shape { height: 12, width: 12, channels: 16 }, vec![Kind::square(32, 3, true), Kind::HALVES]),
        layer => single_layer(layer).ok_or_else(|| format!("no network {name}"))?,
    };
    let network = RandomModel { input, zero_point: 0, layers, classes: 10, seed: 48 };
    // Of the images of a random network one in three is black, one sparse, one without zeros but by chance.
    let kind = if name.contains(':') { 2 } else { 1 };
    Ok((network.file_in(layout), Box::new(move |index| network.image(3 * index + kind))))
}

/// The layout of a network's weights, by its name, and the rest of the name: `fast:` comes before the name of one whose convolutions of
/// 3x3 are transformed, `vector:` before that of one whose weights are in vectors.
pub fn layout(name: &str) -> (Layout, &str) {
    match name.split_once(':') {
        Some(("fast", name)) => (Layout::Winograd, name),
        Some(("vector", name)) => (Layout::Vector, name),
        _ => (Layout::Compact, name),
    }
}

/// Those of them that are no chains.
fn graph(name: &str) -> Outcome<Option<(RandomGraph, Places)>> {
    let conv = |from, channels, kernel| Node::Conv { from, channels, window: square(kernel, true), pool: false };
    let sum = Node::Add { from: 0, also: 0 };
    let (input, nodes, places) = match name {
        "sums" => (Shape { height: 1, width: 8, channels: 1 }, sums(), Places::Apart),
        "all" | "everything" => {
            let average = Node::Other { from: 0, kind: Kind::AveragePool(Window::square(2, 2)) };
            let depthwise = Node::Other { from: 0, kind: Kind::Depthwise(1, square(3, true)) };
            let pool = Node::MaxPool { from: 0 };
            let dense = Node::Dense { from: 0, outputs: 16 };
            let pooled = Node::Conv { from: 0, channels: 4, window: square(2, true), pool: true };
            let nodes = vec![conv(0, 4, 3), conv(0, 4, 3), sum, pooled, pool, depthwise, average, dense];
            (Shape { height: 12, width: 12, channels: 3 }, nodes, Places::Overlapping)
        }
        // The sum of the image and of what a convolution makes of it.
        _ => match name.strip_prefix("add:") {
            Some(shape) => {
                let input = parse_shape(shape)?;
                (input, vec![conv(0, input.channels, 1), sum], Places::Apart)
            }
            None => return Ok(None),
        },
    };
    Ok(Some((RandomGraph { input, zero_point: 0, nodes, classes: 10, seed: 48 }, places)))
}

/// As many stages as there may be: two dense layers, sums that each read the one before it and the first layer, and logits.
/// No stage but the first two reads only the output right before it, so that loading is at its slowest.
fn sums() -> Vec<Node> {
    let dense = Node::Dense { from: 0, outputs: 8 };
    let sums = (0..MAX_STAGES - 3).map(|sum| Node::Add { from: 0, also: sum });
    [dense, dense].into_iter().chain(sums).collect()
}
