//! Writes the seeds that the fuzz targets begin with: files as the trainer writes them, and some that are broken.
//! `cargo run --release -p thimble-tests --example fuzz_seeds`

use std::io::Write;
use std::path::Path;
use std::{fs, io};

use flate2::Compression;
use flate2::write::GzEncoder;
use infer_core::Shape;
use infer_core::camera::Format;
use infer_core::format::Window;
use infer_core::header::HEADER_LEN;
use infer_core::plan::Places;
use thimble_tests::idx_files::{images_of, labels};
use thimble_tests::jpeg::{Color, Drawing, Layout};
use thimble_tests::random_graph::{Node, RandomGraph};
use thimble_tests::random_model::{Kind, RandomModel, square};
use thimble_tests::{tflite, tiny};
use trainer::export::decision::Decision;
use trainer::network::Template;

fn main() -> io::Result<()> {
    let seeds = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds"));
    let write = |target: &str, name: &str, bytes: &[u8]| {
        let directory = seeds.join(target);
        fs::create_dir_all(&directory)?;
        fs::write(directory.join(name), bytes)
    };
    let residual = residual().file(Places::Overlapping);
    let decision = Decision { temperature: 1.0, threshold: 0.5, class_thresholds: vec![0.5, 0.75, 0.5] };
    let thresholds = decision.apply(&residual).map_err(io::Error::other)?;
    let chains = models().map(|(name, model)| (name, model.file()));
    for (name, file) in chains.into_iter().chain([("residual", residual), ("thresholds", thresholds)]) {
        write("model", name, &file)?;
        write("payload", name, &file[HEADER_LEN..])?;
        write("header", name, &file[..HEADER_LEN])?;
    }
    for (name, frame) in frames() {
        write("camera", &name, &frame)?;
    }
    let file = tiny::model().file();
    for (name, range, change) in
        [("truncated", 0..300, 0u8), ("damaged", 0..512, 1), ("newer", 0..512, 0), ("zip", 0..32, 0)]
    {
        let mut broken = file[range].to_vec();
        match name {
            "newer" => broken[8] = 99,
            "zip" => broken[..4].copy_from_slice(b"PK\x03\x04"),
            _ => *broken.last_mut().expect("it is not empty") ^= change,
        }
        write("model", name, &broken)?;
    }
    for (name, position) in [("payload-length", 12), ("arena", 16), ("input", 20), ("classes", 24), ("version", 8)] {
        let mut broken = file[..HEADER_LEN].to_vec();
        broken[position] ^= 2;
        write("header", name, &broken)?;
    }
    for number in 0..12u8 {
        let bytes: Vec<u8> = (0..64u8).map(|at| at.wrapping_mul(2 * number + 37).wrapping_add(number * 91)).collect();
        write("kernels", &format!("numbers-{number}"), &bytes)?;
    }
    write_idx(&write)?;
    write_jpegs(&write)?;
    for (name, file) in tflite_files() {
        write("tflite", name, &file.bytes())?;
    }
    for (name, text) in Template::built_in_files() {
        write("architecture", name, text.as_bytes())?;
    }
    let header = "name = \"mine\"\ninput = [4, 4, 1]\n";
    let pools = "[[layers]]\nmax_pool = {}\n".repeat(3);
    write("architecture", "too-many-pools", format!("{header}{pools}").as_bytes())?;
    let sides = "name = \"largest\"\ninput = [65535, 65535, 65535]\n";
    let conv = "[[layers]]\nconv = { channels = 65535, kernel = 7, padding = \"same\" }\n".repeat(2);
    write("architecture", "largest", format!("{sides}{conv}[[layers]]\ndense = {{ outputs = 65535 }}\n").as_bytes())?;
    write("architecture", "no-layers", format!("{header}layers = []").as_bytes())
}

/// One network of each kind of layer, and of the shapes that loops have tails for.
/// Two branches, a sum in place, and rows that run over those of their input.
fn residual() -> RandomGraph {
    let conv = |from, kernel| Node::Conv { from, channels: 3, window: square(kernel, true), pool: false };
    let nodes = vec![conv(0, 3), conv(0, 3), Node::Add { from: 0, also: 0 }, conv(1, 2), Node::MaxPool { from: 0 }];
    RandomGraph { input: Shape { height: 9, width: 5, channels: 1 }, zero_point: 7, nodes, classes: 3, seed: 9 }
}

fn models() -> [(&'static str, RandomModel); 9] {
    let model = |side: u16, channels: u16, zero_point: u8, layers: &[Kind], classes: u16| RandomModel {
        input: Shape { height: side, width: side, channels },
        zero_point,
        layers: layers.to_vec(),
        classes,
        seed: 48,
    };
    let strided = Window { size: [3, 3], stride: [2, 2], padding: [0, 1, 1, 0] };
    let wide = Window { size: [2, 5], stride: [1, 3], padding: [1, 4, 0, 2] };
    [
        ("tiny", tiny::model()),
        ("logits-only", model(3, 1, 0, &[], 2)),
        ("dense", model(4, 1, 9, &[Kind::Dense(9)], 3)),
        ("conv-valid", model(6, 2, 200, &[Kind::square(9, 3, false)], 2)),
        ("conv-same-pool", model(7, 1, 5, &[Kind::square(17, 2, true), Kind::HALVES], 2)),
        ("pool-first", model(8, 3, 0, &[Kind::HALVES, Kind::square(3, 4, true), Kind::HALVES, Kind::Dense(5)], 4)),
        (
            "depthwise",
            model(7, 3, 5, &[Kind::Depthwise(1, strided), Kind::square(5, 1, true), Kind::Depthwise(2, wide)], 2),
        ),
        (
            "pools",
            model(9, 2, 30, &[Kind::MaxPool(wide), Kind::AveragePool(strided), Kind::AveragePool(Window::WHOLE)], 3),
        ),
        (
            "deep",
            model(8, 1, 0, &[Kind::square(2, 7, true), Kind::square(3, 1, false), Kind::Dense(8), Kind::Dense(7)], 21),
        ),
    ]
}

/// Two bytes for where the images end, the images, the labels.
fn write_idx(write: &impl Fn(&str, &str, &[u8]) -> io::Result<()>) -> io::Result<()> {
    let pair = |images: &[u8], labels: &[u8]| [&(images.len() as u16).to_le_bytes()[..], images, labels].concat();
    let (images, classes) = (images_of([3, 4, 5], &[7; 60]), labels(&[0, 1, 2]));
    let packed = |bytes: &[u8]| -> io::Result<Vec<u8>> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes)?;
        encoder.finish()
    };
    write("idx", "plain", &pair(&images, &classes))?;
    write("idx", "gzip", &pair(&packed(&images)?, &packed(&classes)?))?;
    write("idx", "truncated", &pair(&images[..40], &classes))?;
    write("idx", "too-long", &pair(&[&images[..], &[0]].concat(), &classes))?;
    write("idx", "swapped", &pair(&classes, &images))?;
    write("idx", "counts-differ", &pair(&images, &labels(&[0, 1])))?;
    write("idx", "no-images", &pair(&images_of([0, 4, 5], &[]), &labels(&[])))?;
    write("idx", "huge-claim", &pair(&images_of([u32::MAX; 3], &[1; 8]), &classes))
}

/// JPEGs without their first three bytes, which the target adds.
fn write_jpegs(write: &impl Fn(&str, &str, &[u8]) -> io::Result<()>) -> io::Result<()> {
    let plain = Layout::default();
    let split = Layout { is_split: true, restart_interval: 2, ..plain };
    let progressive = Layout { is_progressive: true, ..plain };
    let drawing = |factors: &[(u32, u32)], color| Drawing::new((17, 21), factors.to_vec(), color, 48);
    let chroma = (1, 1);
    for (name, drawing, layout) in [
        ("gray", drawing(&[(2, 1)], Color::Plain), plain),
        ("color", drawing(&[(2, 2), chroma, chroma], Color::Jfif), plain),
        ("split", drawing(&[(2, 1), chroma, chroma], Color::Jfif), split),
        ("coarse-luma", drawing(&[chroma, (1, 2), (4, 2)], Color::Plain), plain),
        ("progressive", drawing(&[(1, 2), chroma, chroma], Color::Adobe(1)), progressive),
        ("progressive-restarts", drawing(&[(1, 1)], Color::Plain), Layout { restart_interval: 1, ..progressive }),
        ("inks", drawing(&[(2, 2), chroma, chroma, (2, 2)], Color::Adobe(2)), plain),
        ("late-height", drawing(&[(1, 1)], Color::Jfif), Layout { has_late_height: true, ..plain }),
    ] {
        write("jpeg", name, &drawing.file(&layout).bytes[3..])?;
    }
    let file = drawing(&[(1, 1)], Color::Plain).file(&plain);
    write("jpeg", "cut", &[&file.bytes[3..file.scans[0].end - 20], &[0xFF, 0xD9]].concat())?;
    // One sampling factor is no multiple of the other.
    let fractional = drawing(&[(3, 2), (2, 2), chroma], Color::Jfif);
    write("jpeg", "fractional", &fractional.file(&split).bytes[3..])
}

/// TFLite files: with all operators that are read, of one output, of floating point, and with one that is not supported.
fn tflite_files() -> [(&'static str, tflite::File); 4] {
    let logistic = {
        let mut file = tflite::small();
        file.tensors[10] = tflite::Tensor::weights(&[1, 4], 0, &[0.01], &[100, -50, 3, 7]);
        file.tensors[11] = tflite::Tensor::integers(&[5]);
        file.tensors[12] = tflite::Tensor::codes(&[1, 1], 0.1, 12);
        file.tensors[13] = tflite::Tensor::codes(&[1, 1], 1.0 / 256.0, -128);
        file.operators[5] = tflite::Operator::plain(14, &[12], 13);
        file
    };
    let unsupported = {
        let mut file = tflite::small();
        file.operators[2].code = 98;
        file
    };
    [("small", tflite::small()), ("logistic", logistic), ("float", tflite::float()), ("unsupported", unsupported)]
}

/// Settings and bytes of frames: each format shrunk a little and much, or enlarged, and some that are refused.
fn frames() -> Vec<(String, Vec<u8>)> {
    let mut frames = Vec::new();
    let mut add = |name: String,
                   format: usize,
                   [width, height, pad]: [u16; 3],
                   [rows, columns, channels]: [u16; 3],
                   flags: u8| {
        let stride = Format::ALL[format].row_bytes(width) as u16 + pad;
        let mut bytes = vec![format as u8];
        bytes.extend([width, height, stride].iter().flat_map(|number| number.to_le_bytes()));
        // Three bytes of stride.
        bytes.push(0);
        bytes.extend([rows, columns].iter().flat_map(|number| number.to_le_bytes()));
        bytes.extend([channels as u8, flags, 10, 200, 30, 0xAA]);
        bytes.extend((0..u32::from(stride) * u32::from(height)).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8));
        frames.push((name, bytes));
    };
    for (number, format) in Format::ALL.into_iter().enumerate() {
        let name = format.name();
        add(format!("{name}-stretch"), number, [23, 17, 0], [13, 19, 3], 1);
        add(format!("{name}-fit-half"), number, [9, 31, 3], [20, 20, 1], 2 | 2 << 2 | 1 << 5);
        add(format!("{name}-crop"), number, [61, 20, 1], [5, 4, 3], 3 | 1 << 4);
    }
    add("quarter".to_owned(), 0, [12, 7, 0], [9, 11, 1], 1 | 1 << 2);
    add("as-it-is".to_owned(), 1, [8, 6, 0], [6, 8, 3], 0);
    add("other-size".to_owned(), 1, [8, 6, 0], [6, 9, 3], 0);
    add("two-channels".to_owned(), 0, [8, 6, 0], [6, 8, 2], 1);
    add("no-pixels".to_owned(), 0, [0, 6, 0], [6, 8, 1], 1);
    frames
}
