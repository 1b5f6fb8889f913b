//! Architectures as data: layers, what each of them reads, and the shapes between them.

use std::fmt;

use infer_core::Shape;

use super::error::{ArchitectureError, MOST_PARAMETERS, MOST_VALUES};
use super::graph::{ConnectionError, IMAGE, Node, connect};
use super::inputs::{Inputs, Source};
use super::layers::{Arithmetic, Dense, Layer, WeightShape};
use crate::support::limits::MOST_MACS;
use crate::support::printable::in_one_line;
use crate::support::text::thousands;

/// A network's layers, checked: every shape between them is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    /// What it is called.
    pub name: String,
    /// Shape of one image.
    pub input: Shape,
    /// The layers in the order they run, with their inputs and outputs.
    pub layers: Vec<ShapedLayer>,
}

/// A layer, what it reads, and the shapes around it.
#[derive(Clone, Debug, PartialEq)]
pub struct ShapedLayer {
    /// The name by which later layers read it.
    pub name: Option<String>,
    /// What it does.
    pub layer: Layer,
    /// What it reads, by the index of a layer.
    pub reads: Inputs<Source>,
    /// Shape of its input, and of its residual.
    pub input: Shape,
    /// Shape of its output.
    pub output: Shape,
}

impl Architecture {
    /// Connects layers and computes the shapes between them. A layer without names reads the one before it.
    ///
    /// # Errors
    /// [`ArchitectureError::Input`], [`ArchitectureError::Connection`], [`ArchitectureError::Layer`],
    /// [`ArchitectureError::TooLarge`], [`ArchitectureError::LastLayer`], [`ArchitectureError::TooSlow`].
    pub fn new<'l, L>(name: String, input: Shape, layers: &'l [L]) -> Result<Self, ArchitectureError>
    where
        Node: From<&'l L>,
    {
        if input.is_empty() || input.len() > MOST_VALUES {
            return Err(ArchitectureError::Input { name, input });
        }
        let nodes: Vec<Node> = layers.iter().map(Node::from).collect();
        let connections =
            connect(&nodes).map_err(|(layer, error)| ArchitectureError::connection(&name, &nodes, layer, error))?;
        let mut architecture = Self { name, input, layers: Vec::with_capacity(nodes.len()) };
        let mut parameters = 0;
        for (index, (node, &reads)) in nodes.iter().zip(&connections).enumerate() {
            let shapes = reads.map(|source| architecture.shape(source));
            let input = shapes.input;
            if let Some(residual) = shapes.residual.filter(|&residual| residual != input) {
                let name = node.residual.clone().unwrap_or_default();
                let error = ConnectionError::Shapes { name, input, residual };
                return Err(ArchitectureError::connection(&architecture.name, &nodes, index, error));
            }
            let operator = node.layer.operator();
            let output = operator.check().and_then(|()| operator.output(input));
            let output = output.map_err(|reason| ArchitectureError::Layer {
                name: architecture.name.clone(),
                layer: index,
                kind: node.layer.to_string(),
                input,
                reason,
            })?;
            let next = ShapedLayer { name: node.name.clone(), layer: node.layer, reads, input, output };
            parameters += next.parameters();
            let values = output.len();
            if parameters > MOST_PARAMETERS || values > MOST_VALUES {
                return Err(ArchitectureError::TooLarge {
                    name: architecture.name,
                    layer: index,
                    kind: node.layer.to_string(),
                    parameters,
                    values,
                });
            }
            architecture.layers.push(next);
        }
        let Some(Layer::Dense(Dense { relu: false, .. })) = nodes.last().map(|last| last.layer) else {
            return Err(ArchitectureError::LastLayer { name: architecture.name });
        };
        let macs = architecture.macs();
        if macs as u64 > MOST_MACS {
            return Err(ArchitectureError::TooSlow { name: architecture.name, macs });
        }
        Ok(architecture)
    }

    /// The shape of what a layer reads.
    fn shape(&self, source: Source) -> Shape {
        match source {
            Source::Image => self.input,
            Source::Output(layer) => self.layers[layer].output,
        }
    }

    /// The same once batch normalization is part of the weights.
    #[must_use]
    pub fn folded(&self) -> Self {
        let fold = |layer: &ShapedLayer| ShapedLayer { layer: layer.layer.folded(), ..layer.clone() };
        Self { layers: self.layers.iter().map(fold).collect(), ..self.clone() }
    }

    /// The layers as they are in a file: what [`Architecture::new`] made this of.
    #[must_use]
    pub fn nodes(&self) -> Vec<Node> {
        let name = |source: Source| match source {
            Source::Image => Some(IMAGE.to_owned()),
            Source::Output(layer) => self.layers[layer].name.clone(),
        };
        let node = |(index, layer): (usize, &ShapedLayer)| {
            let before = index.checked_sub(1).map_or(Source::Image, Source::Output);
            let Inputs { input, residual } = layer.reads;
            Node {
                name: layer.name.clone(),
                input: if input == before { None } else { name(input) },
                residual: residual.and_then(name),
                layer: layer.layer,
            }
        };
        self.layers.iter().enumerate().map(node).collect()
    }

    /// Number of classes: outputs of the last layer.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.layers.last().map_or(0, |last| last.output.len())
    }

    /// Weights and biases.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.layers.iter().map(ShapedLayer::parameters).sum()
    }

    /// Multiply-accumulates of one inference: at most [`MOST_MACS`], and a last layer for other classes. While it is built at most
    /// [`MOST_PARAMETERS`] times [`MOST_VALUES`], which is 2^48.
    #[must_use]
    pub fn macs(&self) -> usize {
        self.layers.iter().map(ShapedLayer::macs).sum()
    }
}

impl ShapedLayer {
    /// Its weights, if it has any.
    #[must_use]
    pub fn weights(&self) -> Option<WeightShape> {
        self.layer.operator().weights(self.input)
    }

    /// What its codes are computed from.
    #[must_use]
    pub fn arithmetic(&self) -> Arithmetic {
        self.layer.operator().arithmetic()
    }

    /// Weights that one output value is computed from.
    #[must_use]
    pub fn fan_in(&self) -> usize {
        self.weights().map_or(0, |weights| weights.fan_in())
    }

    /// Output channels of a convolution, outputs of a dense layer.
    #[must_use]
    pub fn output_channels(&self) -> usize {
        self.output.channels.into()
    }

    /// Weights and biases.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.weights().map_or(0, |weights| (weights.fan_in() + 1) * weights.rows())
    }

    /// Multiply-accumulates of one inference.
    #[must_use]
    pub fn macs(&self) -> usize {
        self.fan_in() * self.output.len()
    }
}

/// The summary table: layer, output shape, parameters, and names where there are any.
impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = self.layers.iter().map(|layer| layer.layer.to_string().chars().count());
        let width = kinds.max().unwrap_or(0).max(28);
        writeln!(f, "{:<width$} {:>12} {:>12}", in_one_line(&self.name), "output", "parameters")?;
        writeln!(f, "{:<width$} {:>12} {:>12}", "input", self.input.to_string(), 0)?;
        for (layer, Node { name, input, residual, .. }) in self.layers.iter().zip(self.nodes()) {
            let (kind, output) = (layer.layer.to_string(), shown(layer.output));
            write!(f, "{kind:<width$} {output:>12} {:>12}", thousands(layer.parameters()))?;
            for (key, name) in [("name", name), ("input", input), ("residual", residual)] {
                if let Some(name) = name {
                    write!(f, "  {key} {}", in_one_line(&name))?;
                }
            }
            writeln!(f)?;
        }
        write!(f, "{:<width$} {:>12} {:>12}", "total", "", thousands(self.parameters()))
    }
}

/// A shape, in one number where it has one side only.
#[must_use]
pub fn shown(shape: Shape) -> String {
    if shape.height == 1 && shape.width == 1 { shape.channels.to_string() } else { shape.to_string() }
}

#[cfg(test)]
mod tests {
    use super::super::layers::{Conv, MaxPool, Padding};
    use super::*;

    #[test]
    fn the_tutorials_networks_have_the_tutorials_parameters() {
        assert_eq!(Architecture::built_in("mlp").unwrap().parameters(), 278_260);
        assert_eq!(Architecture::built_in("cnn").unwrap().parameters(), 542_230);
        assert_eq!(Architecture::built_in("mlp").unwrap().macs(), 277_900);
        assert_eq!(Architecture::built_in("cnn").unwrap().macs(), 736_488);
    }

    #[test]
    fn work_that_no_training_does_is_refused() {
        let conv = Layer::Conv(Conv::square(4, 7, Padding::Same, true));
        let dense = Layer::Dense(Dense { outputs: 2, relu: false });
        let input = Shape { height: 1024, width: 1024, channels: 4 };
        let layers = |convolutions| {
            [vec![conv; convolutions], vec![Layer::MaxPool(MaxPool::default()); 5], vec![dense]].concat()
        };
        // Each takes 49 * 4 * 4 multiply-accumulates at each of 2^20 positions.
        assert!(Architecture::new("quick".to_owned(), input, &layers(12)).is_ok());
        assert_eq!(
            Architecture::new("slow".to_owned(), input, &layers(13)).unwrap_err().to_string(),
            "architecture \"slow\": an inference takes 10,687,094,784 multiply-accumulates, and at most 10,000,000,000 can be trained"
        );
    }

    #[test]
    fn the_summary_lists_every_layer() {
        let summary = Architecture::built_in("cnn").unwrap().to_string();
        let expected = "\
cnn                                output   parameters
input                             28x28x1            0
conv 3x3x32 valid + relu         26x26x32          320
max-pool 2x2                     13x13x32            0
dense 100 + relu                      100      540,900
dense 10                               10        1,010
total                                          542,230";
        assert_eq!(summary, expected);
    }

    #[test]
    fn the_columns_of_the_summary_are_under_each_other_however_long_a_name_is() {
        let summary = Architecture::built_in("dscnn").unwrap().to_string();
        let ends: Vec<usize> = summary.lines().map(|line| line.chars().count()).collect();
        assert!(ends.iter().all(|&end| end == ends[0]), "{summary}");
    }

    #[test]
    fn a_layer_that_does_not_fit_is_named_with_its_input() {
        let refuse = |layers: &str| {
            let text = format!("name = \"mine\"\ninput = [4, 4, 1]\n{layers}");
            Architecture::from_toml(&text).unwrap_err().to_string()
        };
        let conv = "[[layers]]\nconv = { channels = 8, kernel = 5, padding = \"valid\" }\n";
        assert_eq!(
            refuse(&format!("{conv}[[layers]]\ndense = {{}}\n")),
            "architecture \"mine\", layer 0 (conv 5x5x8 valid): its input is 4x4x1; a kernel of 5x5 does not fit into it"
        );
        let pools = "[[layers]]\nmax_pool = {}\n".repeat(3) + "[[layers]]\ndense = {}\n";
        assert!(refuse(&pools).contains("layer 2 (max-pool 2x2): its input is 1x1x1; a window of 2x2 does not fit"));
        assert!(
            refuse("[[layers]]\ndense = { outputs = 3, relu = true }").contains("must end in a dense layer without")
        );
        assert!(refuse("[[layers]]\ndense = { outputs = 0 }").contains("it has no outputs"));
        assert!(refuse("layers = []").contains("must end in a dense layer"));
        let name = "name = \"a/../b\"\ninput = [4, 4, 1]\nlayers = [{ dense = { outputs = 2 } }]";
        let message = Architecture::from_toml(name).unwrap_err().to_string();
        assert_eq!(
            message,
            "architecture file: the name \"a/../b\" cannot name the directory of a run; it must have 1 to 255 bytes, no slash, \
             no control character, and no dot at its beginning"
        );
        assert!(refuse("[[layers]]\ndens = { outputs = 3 }").contains("unknown variant"));
    }

    #[test]
    fn a_side_of_the_largest_number_there_is_still_takes_a_kernel() {
        let conv = "conv = { channels = 1, kernel = 1, padding = \"valid\" }";
        let text =
            format!("name = \"long\"\ninput = [65535, 1, 1]\nlayers = [{{ {conv} }}, {{ dense = {{ outputs = 2 }} }}]");
        assert_eq!(Architecture::from_toml(&text).unwrap().layers[0].output.height, 65_535);
    }

    #[test]
    fn what_no_memory_holds_is_refused_before_any_is_requested() {
        let refuse = |input: &str, layers: &str| {
            let text = format!("name = \"mine\"\ninput = {input}\nlayers = [{layers} {{ dense = {{ outputs = 2 }} }}]");
            Architecture::from_toml(&text).unwrap_err().to_string()
        };
        let conv = |channels: u16| format!("{{ conv = {{ channels = {channels}, kernel = 7, padding = \"same\" }} }},");
        let wide = refuse("[28, 28, 1]", &(conv(5000) + &conv(65_535)));
        assert_eq!(
            wide,
            "architecture \"mine\", layer 1 (conv 7x7x65535 same): with it there are 16,056,390,535 weights and biases, \
             and its output has 51,379,440 values; at most 67,108,864 and 4,194,304 can be trained"
        );
        assert!(refuse("[1000, 1000, 1]", &conv(5)).contains("layer 0 (conv 7x7x5 same)"));
        let wide = "{ dense = { outputs = 8000 } },".repeat(1000);
        assert!(refuse("[28, 28, 1]", &wide).contains("layer 1 (dense 8000): with it there are 70,288,000 weights"));
        let input = refuse("[65535, 65535, 3]", "");
        assert_eq!(input, "architecture \"mine\": input 65535x65535x3 has no values, or more than 4,194,304");
    }

    #[test]
    fn what_the_largest_network_counts_up_to_is_far_below_what_64_bits_hold() {
        // As wide as an image may be, as many weights as there may be, on all of its pixels.
        let conv = |channels| Layer::Conv(Conv::square(channels, 7, Padding::Same, true));
        let layers = [conv(65), conv(64), conv(63), Layer::Dense(Dense { outputs: 15, relu: false })];
        let input = Shape { height: 254, width: 254, channels: 65 };
        let error = Architecture::new("largest".to_owned(), input, &layers).unwrap_err();
        let counted = 254 * 254 * 49 * (65 * 65 + 65 * 64 + 64 * 63) + 254 * 254 * 63 * 15;
        assert!(matches!(error, ArchitectureError::TooSlow { macs, .. } if macs == counted), "{error}");
        // What is refused was counted too.
        let widest = Layer::Dense(Dense { outputs: u16::MAX, relu: false });
        let wide = Shape { height: 1, width: 64, channels: u16::MAX };
        let error = Architecture::new("wide".to_owned(), wide, &[widest]).unwrap_err();
        assert!(matches!(error, ArchitectureError::TooLarge { parameters: 274_869_583_935, .. }), "{error}");
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let message = Architecture::built_in("resnet").unwrap_err().to_string();
        assert_eq!(
            message,
            "unknown architecture \"resnet\"; the built-in ones are mlp, cnn, small, tiny, mini, micro, nano, large, \
             resnet8, sepnet10, mobilenet, dscnn; \
             a name with a dot or a slash is a TOML file"
        );
    }
}
