//! Writes runs that reports must get along with into a directory, and prints their paths:
//! `cargo run --release -p thimble-tests --example odd_runs -- DIRECTORY`

use std::error::Error;
use std::path::Path;

use infer_core::Shape;
use thimble_tests::run_directory::Run;
use trainer::network::{Conv, Dense, Layer, MaxPool, Padding};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory] = &arguments[..] else { return Err("give DIRECTORY".into()) };
    let conv = |channels, kernel| Layer::Conv(Conv { channels, kernel, padding: Padding::Same, relu: true });
    let dense = Layer::Dense(Dense { outputs: 40, relu: true });
    let pool = Layer::MaxPool(MaxPool {});
    let birds = ["<script>alert(1)</script>", "blue tit & great tit", "\"></svg><b>crow</b>", "wren"];
    let many = (1..=40).map(|class| format!("class number {class} with a name that goes on and on")).collect();
    let runs = [
        ("two-classes", (28, 28, 1), vec![dense], vec!["cat".to_owned(), "not a cat".to_owned()], 1),
        ("many-classes", (20, 30, 1), vec![conv(12, 5), pool, pool, dense], many, 12),
        (
            "hostile-names",
            (96, 96, 3),
            vec![conv(20, 5), pool, conv(8, 3), pool],
            birds.map(str::to_owned).to_vec(),
            40,
        ),
        ("color-dense", (24, 16, 3), vec![dense], birds.map(str::to_owned).to_vec(), 3),
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
