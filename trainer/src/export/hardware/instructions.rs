//! About how many instructions an inference takes, from what single layers were seen to take.
//!
//! Kernels skip what is zero, and how much that is only images show; so this is for an input, and activations, without a
//! zero. Real images take less: the table in README gives both for four networks.

use infer_core::format::Layout;
use serde::Deserialize;

use crate::network::Architecture;
pub use crate::network::work::{Kernel, PerKernel, Work};

/// Instructions of each kernel on a core.
pub type Costs = PerKernel<Cost>;

/// Instructions of a kernel, by what it does.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Rows that are computed together: of the last block all, however many there are.
    pub block: usize,
    /// For each multiply-accumulate, those of such a block included.
    pub mac: f64,
    /// For each output.
    pub output: f64,
    /// For each input.
    pub input: f64,
    /// More for each input of a window that hangs over an edge.
    pub edge: f64,
    /// For each row of a window.
    pub run: f64,
    /// For each position.
    pub position: f64,
}

/// The kernels that run one after the other, a convolution and the pool after it in one, given the layout of each stage's
/// weights: compact where there is none for it.
#[must_use]
pub fn work(architecture: &Architecture, layouts: &[Layout]) -> Vec<Work> {
    let layouts = layouts.iter().copied().chain(std::iter::repeat(Layout::Compact));
    architecture.stages().iter().zip(layouts).map(|(stage, layout)| stage.work(layout)).collect()
}

impl Cost {
    /// Instructions for so much.
    #[must_use]
    pub fn of(&self, work: &Work) -> f64 {
        let Self { block, mac, output, input, edge, run, position } = *self;
        [mac, output, input, edge, run, position].iter().zip(work.counts(block)).map(|(cost, count)| cost * count).sum()
    }
}

impl Costs {
    /// Instructions of one inference, given the layout of each stage's weights.
    #[must_use]
    pub fn estimate(&self, architecture: &Architecture, layouts: &[Layout]) -> f64 {
        work(architecture, layouts).iter().map(|work| self.of(work.kernel).of(work)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::cores;
    use super::*;
    use crate::image::parse_shape;
    use crate::network::Template;
    use crate::network::chain::Stage;

    #[test]
    fn a_convolution_and_its_pool_are_one_kernel_and_a_dropped_column_costs_nothing() {
        let cnn = work(&Architecture::built_in("cnn").unwrap(), &[]);
        let [outputs, inputs, runs] = [169 * 32, 676 * 9, 676 * 3];
        let conv = Work { kernel: Kernel::ConvPool, rows: 32, outputs, inputs, edges: 0, runs, places: 169 };
        let dense =
            |rows, inputs| Work { kernel: Kernel::Dense, rows, outputs: rows, inputs, edges: 0, runs: 0, places: 1 };
        assert_eq!(cnn, [conv, dense(100, 5408), dense(10, 100)]);
        let counts = dense(100, 5408).counts(8);
        assert_eq!(counts, [5408.0 * 104.0, 100.0, 5408.0, 0.0, 0.0, 1.0], "rows are computed in blocks");
        let odd = "name = \"odd\"\ninput = [7, 7, 1]\nlayers = [\
                   { conv = { channels = 8, kernel = 1, padding = \"same\" } }, { max_pool = {} }, { max_pool = {} }, \
                   { dense = { outputs = 2 } }]";
        let kernels = work(&Architecture::from_toml(odd).unwrap(), &[]);
        assert_eq!(
            kernels.iter().map(|work| work.kernel).collect::<Vec<_>>(),
            [Kernel::ConvPool, Kernel::MaxPool, Kernel::Dense]
        );
        assert_eq!(kernels[0].inputs, 36);
    }

    /// What networks take whose activations have no zeros, the costs not made from them.
    const COUNTED: &str = include_str!("../../../hardware/networks.tsv");

    /// Prints how far off each of them is.
    #[test]
    fn estimates_are_within_10_percent_of_what_networks_without_zeros_take_on_every_core() {
        let lines: Vec<&str> = COUNTED.lines().filter(|line| !line.starts_with('#')).collect();
        let mut names: Vec<&str> = Vec::new();
        let mut off = Vec::new();
        for line in &lines {
            let [core, name, count] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let (requested, named) = match name.split_once(':') {
                Some(("fast", named)) => (Layout::Winograd, named),
                Some(("vector", named)) => (Layout::Vector, named),
                _ => (Layout::Compact, name),
            };
            let [built_in, input, classes] = named.split(':').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let template = Template::built_in(built_in).unwrap();
            let architecture = template.architecture(parse_shape(input).unwrap(), classes.parse().unwrap()).unwrap();
            let costs = &cores().iter().find(|known| known.name == core).unwrap().costs;
            let layout = |stage: &Stage<'_>| if stage.has_layout(requested) { requested } else { Layout::Compact };
            let layouts: Vec<Layout> = architecture.stages().iter().map(layout).collect();
            let ratio = costs.estimate(&architecture, &layouts) / count.parse::<f64>().unwrap();
            println!("{core:<8} {name:<22} {count:>11} {ratio:.3}");
            // On an M3 a pointwise convolution takes four positions at a time, and here most maps have one or four.
            let least = if (core, name) == ("M3", "mobilenet:32x32x3:10") { 0.75 } else { 0.9 };
            // An M0+ leaves out transformed codes that are zero, as those of padding are: of 8x8 maps that is much.
            let most = if (core, name) == ("M0+", "fast:resnet8:32x32x3:10") { 1.15 } else { 1.1 };
            if !(least..most).contains(&ratio) {
                off.push(format!("{name} on {core}: {ratio:.3}"));
            }
            if !names.contains(&name) {
                names.push(name);
            }
        }
        assert_eq!(off, Vec::<String>::new());
        assert!(names.len() >= 9);
        assert_eq!(lines.len(), names.len() * cores().len(), "every network was counted on every core");
    }

    /// The counts of trained networks in `docs/results.md`, which the costs were not made from, on M4F and M0+ and an image without zeros.
    /// Only activations can be skipped there, and of the CNN's two thirds are zero.
    #[test]
    fn estimates_are_near_what_whole_networks_take_and_never_much_too_low() {
        let counted = [
            ("mlp", [311_000.0, 1_022_960.0], 1.06),
            ("cnn", [538_520.0, 1_710_520.0], 2.0),
            ("small", [2_430_160.0, 9_219_800.0], 1.05),
            ("tiny", [1_168_920.0, 4_400_400.0], 1.05),
        ];
        for (network, counts, most) in counted {
            let architecture = Architecture::built_in(network).unwrap();
            for (core, count) in ["M4F", "M0+"].into_iter().zip(counts) {
                let costs = &cores().iter().find(|known| known.name == core).unwrap().costs;
                let ratio = costs.estimate(&architecture, &[]) / count;
                assert!((0.95..most).contains(&ratio), "{network} on {core}: {ratio}");
            }
        }
    }
}
