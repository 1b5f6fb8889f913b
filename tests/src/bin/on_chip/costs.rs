//! From what single layers were measured to take on a core to what each multiply-accumulate, output and input of theirs takes.

use std::fs;

use infer_core::Header;
use thimble_tests::random_model::{Kind, MEASURED, single_layer};
use trainer::export::hardware::instructions::{Cost, Kernel, Work, work};
use trainer::image::parse_shape;
use trainer::network::{Architecture, Dense, Layer};

use crate::Outcome;

/// A measured layer.
struct Measured {
    work: Work,
    instructions: f64,
}

/// Prints the entry of `core` in `cores.toml`. Each line of the file `code` is a model file and the flash of a program that
/// was built for it; each line of the file `measured` is a layer, its instructions, and the stack.
pub fn fit(core: &str, code: &str, measured: &str) -> Outcome<()> {
    let mut programs = Vec::new();
    for line in fs::read_to_string(code)?.lines() {
        let [model, bytes] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err(format!("{code}: {line:?} is no model and bytes").into());
        };
        let operators = Header::parse(&fs::read(model)?)?.operators;
        programs.push(format!("{{ operators = {operators:#010X}, bytes = {bytes} }}"));
    }
    let mut layers = Vec::new();
    let mut stack = 0;
    for line in fs::read_to_string(measured)?.lines() {
        let [name, instructions, bytes] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err(format!("{measured}: {line:?} is no layer, instructions, stack").into());
        };
        layers.push(Measured { work: kernel(name)?, instructions: instructions.parse()? });
        stack = stack.max(bytes.parse::<usize>()?);
    }
    println!("\n[[cores]]\nname = \"{core}\"\ncode = [{}]\nstack = {stack}\n\n[cores.costs]", programs.join(", "));
    for &kernel in Kernel::ALL {
        let of_kernel: Vec<&Measured> = layers.iter().filter(|layer| layer.work.kernel == kernel).collect();
        let cost = least_squares(&of_kernel);
        let Cost { block, mac, output, input, position } = cost;
        let worst = of_kernel.iter().map(|layer| layer.error(&cost).abs()).fold(0.0, f64::max);
        println!(
            "{} = {{ block = {block}, mac = {mac:.4}, output = {output:.2}, input = {input:.3}, position = {position:.1} }} \
             # within {:.0}%",
            kernel.key(),
            100.0 * worst
        );
    }
    Ok(())
}

/// Prints the names of the layers to measure, one in each line.
pub fn print_layers() -> Outcome<()> {
    MEASURED.iter().for_each(|name| println!("{name}"));
    Ok(())
}

impl Measured {
    /// How far off an estimate is, relative to what was measured.
    fn error(&self, cost: &Cost) -> f64 {
        cost.of(&self.work) / self.instructions - 1.0
    }
}

/// What the kernel of a layer does.
fn kernel(name: &str) -> Outcome<Work> {
    if let Some(shape) = name.strip_prefix("add:") {
        let shape = parse_shape(shape)?;
        let places = usize::from(shape.height) * usize::from(shape.width);
        return Ok(Work { kernel: Kernel::Add, rows: 0, outputs: shape.len(), inputs: 2 * shape.len(), places });
    }
    let (input, layers) = single_layer(name).ok_or_else(|| format!("{name} is no layer"))?;
    let mut described: Vec<Layer> = layers.into_iter().map(Kind::described).collect();
    described.push(Layer::Dense(Dense { outputs: 10, relu: false }));
    Ok(work(&Architecture::new(name.to_owned(), input, &described)?)[0])
}

/// The cost of the least squares of relative errors, over all blocks and all choices of what costs nothing: none is negative.
fn least_squares(layers: &[&Measured]) -> Cost {
    let error = |cost: &Cost| layers.iter().map(|layer| layer.error(cost).powi(2)).sum::<f64>();
    let choices = [8, 4, 2, 1].into_iter().flat_map(|block| (1..16u8).map(move |set| (block, set)));
    let candidates = choices.filter_map(|(block, set)| {
        let used: Vec<usize> = (0..4).filter(|index| set & (1 << index) != 0).collect();
        let [mac, output, input, position] = solve(layers, block, &used)?;
        Some(Cost { block, mac, output, input, position })
    });
    let possible =
        candidates.filter(|cost| [cost.mac, cost.output, cost.input, cost.position].iter().all(|&cost| cost >= 0.0));
    possible.min_by(|a, b| error(a).total_cmp(&error(b))).expect("a cost of one count alone is positive")
}

/// The normal equations of the costs `used`, by elimination; `None` where the layers do not distinguish them.
fn solve(layers: &[&Measured], block: usize, used: &[usize]) -> Option<[f64; 4]> {
    let size = used.len();
    // A row for each cost, the right side after it.
    let mut rows = vec![vec![0.0; size + 1]; size];
    for layer in layers {
        let counts = layer.work.counts(block).map(|count| count / layer.instructions);
        for (row, &i) in rows.iter_mut().zip(used) {
            row.iter_mut().zip(used).for_each(|(cell, &j)| *cell += counts[i] * counts[j]);
            row[size] += counts[i];
        }
    }
    for pivot in 0..size {
        let head = rows[pivot][pivot];
        if head.abs() < 1e-18 {
            return None;
        }
        rows[pivot].iter_mut().for_each(|cell| *cell /= head);
        let eliminated = rows[pivot].clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(index, _)| *index != pivot) {
            let factor = row[pivot];
            row.iter_mut().zip(&eliminated).for_each(|(cell, by)| *cell -= factor * by);
        }
    }
    let mut costs = [0.0; 4];
    used.iter().zip(&rows).for_each(|(&index, row)| costs[index] = row[size]);
    Some(costs)
}
