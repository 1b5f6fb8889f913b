//! Writes the fixture that infer-core's examples include:
//! `cargo run --release -p thimble-tests --example tiny_model`

fn main() -> std::io::Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../infer-core/tests/fixtures/tiny.bin");
    std::fs::write(path, thimble_tests::tiny::model().file())
}
