//! `cargo run --release -p thimble-tests --example logits -- MODEL INPUTS`: the logits of a model file for inputs, one after the
//! other in a file as bytes, an `i32` each on standard output, little-endian. On standard error the real value of one step.

use std::io::Write;

use trainer::export::model_file;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, inputs] = &arguments[..] else { return Err("usage: logits MODEL INPUTS".into()) };
    let model = std::fs::read(model)?;
    let mut arena = model_file::arena(&model)?;
    let mut network = infer_core::Network::new(&model, &mut arena)?;
    let length = network.input().shape.len();
    let mut scale = 0.0;
    let mut out = std::io::stdout().lock();
    for input in std::fs::read(inputs)?.chunks_exact(length) {
        let output = network.classify(input)?;
        scale = output.scale();
        for logit in output.logits() {
            out.write_all(&logit.to_le_bytes())?;
        }
    }
    eprintln!("{scale:e}");
    Ok(())
}
