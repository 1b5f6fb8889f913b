//! From what single layers were measured to take on a core to what each multiply-accumulate, output and input of theirs takes.

use std::fs;

use infer_core::Header;
use thimble_tests::layer_names::{MEASURED, single_layer};
use thimble_tests::random_model::Kind;
use thimble_tests::without_zeros::COUNTED;
use trainer::export::hardware::instructions::{Cost, Kernel, Work, work};
use trainer::image::parse_shape;
use trainer::network::{Architecture, Dense, Layer};

use crate::{Outcome, cycles, shapes};

/// A measured layer.
struct Measured {
    work: Work,
    instructions: f64,
}

/// Prints the entry of `core` in `cores.toml`.
///
/// Each line of the file `code` is a model file, the flash of a program that was built for it, and the stack. The file `measured` is
/// what the program `costs` with all operators printed. Each line of the file `traced` is what `cycles` printed of a network, if the
/// core's cycles are modeled.
pub fn fit(core: &str, code: &str, measured: &str, traced: &str) -> Outcome<()> {
    let mut programs = Vec::new();
    for line in fs::read_to_string(code)?.lines() {
        let [model, bytes, stack] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err(format!("{code}: {line:?} is no model, bytes, stack").into());
        };
        let operators = Header::parse(&fs::read(model)?)?.operators;
        programs.push(format!("{{ operators = {operators:#010X}, bytes = {bytes}, stack = {stack} }}"));
    }
    let mut layers = Vec::new();
    for (name, Line { layer: instructions, .. }) in MEASURED.iter().zip(lines(measured)?) {
        layers.push(Measured { work: kernel(name)?, instructions: instructions.into() });
    }
    println!("\n[[cores]]\nname = \"{core}\"");
    if let Some(cycles) = cycles_per_instruction(&fs::read_to_string(traced)?)? {
        println!("cycles = {cycles:.2}");
    }
    println!("code = [\n    {},\n]\n\n[cores.costs]", programs.join(",\n    "));
    for &kernel in Kernel::ALL {
        let of_kernel: Vec<&Measured> = layers.iter().filter(|layer| layer.work.kernel == kernel).collect();
        let cost = least_squares(&of_kernel);
        let Cost { block, mac, output, input, edge, run, position } = cost;
        let worst = of_kernel.iter().map(|layer| layer.error(&cost).abs()).fold(0.0, f64::max);
        println!(
            "{} = {{ block = {block}, mac = {mac:.4}, output = {output:.2}, input = {input:.3}, edge = {edge:.3}, run = {run:.2}, \
             position = {position:.1} }} # within {:.0}%",
            kernel.key(),
            100.0 * worst
        );
    }
    Ok(())
}

/// The mean over all networks; `None` without any.
fn cycles_per_instruction(traced: &str) -> Outcome<Option<f64>> {
    let costs = traced.lines().map(serde_json::from_str::<cycles::Cost>).collect::<Result<Vec<_>, _>>()?;
    let sum: f64 = costs.iter().map(|cost| cost.cycles as f64 / cost.instructions as f64).sum();
    Ok((!costs.is_empty()).then(|| sum / costs.len() as f64))
}

/// Prints the lines of `core` in `networks.tsv`, of the same file `measured`.
pub fn print_counted(core: &str, measured: &str) -> Outcome<()> {
    for (name, line) in COUNTED.iter().zip(lines(measured)?.split_off(MEASURED.len())) {
        println!("{core}\t{name}\t{}", line.total);
    }
    Ok(())
}

/// Instructions of a network: of the last layer before the logits, and in total.
struct Line {
    layer: u32,
    total: u32,
}

/// What was printed of single layers, and then of whole networks.
fn lines(measured: &str) -> Outcome<Vec<Line>> {
    let read = |(number, line): (usize, &str)| match line.split(' ').collect::<Vec<_>>()[..] {
        [its, layer, total, _] if its == number.to_string() => {
            Outcome::Ok(Line { layer: layer.parse()?, total: total.parse()? })
        }
        _ => Err(format!("{measured}: {line:?} is no number {number}, layer, total, stack").into()),
    };
    let lines = fs::read_to_string(measured)?.lines().enumerate().map(read).collect::<Outcome<Vec<_>>>()?;
    let wanted = MEASURED.len() + COUNTED.len();
    if lines.len() == wanted { Ok(lines) } else { Err(format!("{measured}: {} lines of {wanted}", lines.len()).into()) }
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
        let (outputs, inputs) = (shape.len(), 2 * shape.len());
        return Ok(Work { kernel: Kernel::Add, rows: 0, outputs, inputs, edges: 0, runs: 0, places });
    }
    let (layout, name) = shapes::layout(name);
    let (input, layers) = single_layer(name).ok_or_else(|| format!("{name} is no layer"))?;
    let mut described: Vec<Layer> = layers.into_iter().map(Kind::described).collect();
    described.push(Layer::Dense(Dense { outputs: 10, relu: false }));
    Ok(work(&Architecture::new(name.to_owned(), input, &described)?, &[layout])[0])
}

/// The cost of the least squares of relative errors, over all blocks and all choices of what costs nothing: none is negative.
fn least_squares(layers: &[&Measured]) -> Cost {
    let error = |cost: &Cost| layers.iter().map(|layer| layer.error(cost).powi(2)).sum::<f64>();
    let sets = 1..1u8 << Work::COUNTS;
    let choices = [8, 4, 2, 1].into_iter().flat_map(|block| sets.clone().map(move |set| (block, set)));
    let candidates = choices.filter_map(|(block, set)| {
        let used: Vec<usize> = (0..Work::COUNTS).filter(|index| set & (1 << index) != 0).collect();
        let costs = solve(layers, block, &used)?;
        let [mac, output, input, edge, run, position] = costs;
        costs.iter().all(|&cost| cost >= 0.0).then_some(Cost { block, mac, output, input, edge, run, position })
    });
    candidates.min_by(|a, b| error(a).total_cmp(&error(b))).expect("a cost of one count alone is positive")
}

/// The normal equations of the costs `used`, by elimination; `None` where the layers do not distinguish them.
fn solve(layers: &[&Measured], block: usize, used: &[usize]) -> Option<[f64; Work::COUNTS]> {
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
    let diagonal: Vec<f64> = rows.iter().enumerate().map(|(index, row)| row[index]).collect();
    for (pivot, whole) in diagonal.into_iter().enumerate() {
        let head = rows[pivot][pivot];
        // What is left of a count that the others add up to is what was rounded.
        if head <= 1e-9 * whole {
            return None;
        }
        rows[pivot].iter_mut().for_each(|cell| *cell /= head);
        let eliminated = rows[pivot].clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(index, _)| *index != pivot) {
            let factor = row[pivot];
            row.iter_mut().zip(&eliminated).for_each(|(cell, by)| *cell -= factor * by);
        }
    }
    let mut costs = [0.0; Work::COUNTS];
    used.iter().zip(&rows).for_each(|(&index, row)| costs[index] = row[size]);
    Some(costs)
}
