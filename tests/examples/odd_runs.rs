//! Writes runs that reports must get along with into a directory, and prints their paths:
//! `cargo run --release -p thimble-tests --example odd_runs -- DIRECTORY`

use std::error::Error;
use std::path::Path;

use infer_core::Shape;
use thimble_tests::run_directory::Run;
use trainer::network::layers::Add;
use trainer::network::{Conv, Dense, Layer, MaxPool, Node, Padding};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory] = &arguments[..] else { return Err("give DIRECTORY".into()) };
    let dense = || Node::new(Layer::Dense(Dense { outputs: 40, relu: true }));
    let pool = || Node::new(Layer::MaxPool(MaxPool::default()));
    let birds = ["<script>alert(1)</script>", "blue tit & great tit", "\"></svg><b>crow</b>", "wren"];
    let many = (1..=40).map(|class| format!("class number {class} with a name that goes on and on")).collect();
    let runs = [
        ("two-classes", (28, 28, 1), vec![dense()], vec!["cat".to_owned(), "not a cat".to_owned()], 1),
        ("many-classes", (20, 30, 1), vec![conv(12, 5), pool(), pool(), dense()], many, 12),
        (
            "hostile-names",
            (96, 96, 3),
            vec![conv(20, 5), pool(), conv(8, 3), pool()],
            birds.map(str::to_owned).to_vec(),
            40,
        ),
        ("branches", (24, 16, 3), branches(), birds.map(str::to_owned).to_vec(), 5),
        ("deep", (8, 8, 1), deep(), vec!["even".to_owned(), "odd".to_owned()], 2),
        ("color-dense", (24, 16, 3), vec![dense()], birds.map(str::to_owned).to_vec(), 3),
    ];
    for (index, (name, (height, width, channels), layers, class_names, epochs)) in runs.into_iter().enumerate() {
        let path = Path::new(directory).join(name);
        let input = Shape { height, width, channels };
        let dataset = if name == "hostile-names" { "</title><script>alert(2)</script>" } else { name };
        Run { input, layers, class_names, dataset, epochs, seed: 48 + index as u64 }.write(&path);
        println!("{}", path.display());
    }
    Ok(())
}

fn conv(channels: u16, kernel: u8) -> Node {
    Node::new(Layer::Conv(Conv::square(channels, kernel, Padding::Same, true)))
}

fn add(residual: &str) -> Node {
    Node { residual: Some(residual.to_owned()), ..Node::new(Layer::Add(Add { relu: true, relu6: false })) }
}

fn named(name: &str, node: Node) -> Node {
    Node { name: Some(name.to_owned()), ..node }
}

fn reading(name: &str, node: Node) -> Node {
    Node { input: Some(name.to_owned()), ..node }
}

/// Connections side by side, one inside of another and across each other, with names that no drawing may be taken over by.
fn branches() -> Vec<Node> {
    let hostile = "\"/></svg><script>alert(5)</script>";
    let long = "a stem with a name that goes on and on, longer than a row";
    vec![
        named(hostile, conv(10, 3)),
        conv(10, 3),
        named(long, add(hostile)),
        named("inner", conv(10, 5)),
        conv(10, 3),
        named("outer", add("inner")),
        conv(10, 3),
        add(long),
        named("b", add(hostile)),
        reading("outer", conv(10, 1)),
        conv(10, 3),
        add("b"),
        conv(250, 3),
        Node::new(Layer::MaxPool(MaxPool::default())),
    ]
}

/// As many stages as there may be: blocks with residuals.
fn deep() -> Vec<Node> {
    let mut nodes = vec![named("0", conv(4, 3))];
    for block in 1..=42 {
        nodes.extend([conv(4, 3), conv(4, 3), named(&block.to_string(), add(&(block - 1).to_string()))]);
    }
    nodes
}
