//! Architectures as files: layers read from TOML, for inputs and classes that the data decide.

use infer_core::Shape;
use serde::Deserialize;

use super::architecture::Architecture;
use super::built_in::BUILT_IN;
use super::error::{ArchitectureError, MOST_WIDTH};
use super::graph::{Node, connect};
use super::layers::{Dense, FileDense, FileLayer, Layer};
use crate::support::limits::LONGEST_NAME;
use crate::support::printable::is_control;

/// Classes of an architecture that leaves their number to the data, where there are no data: those of Fashion-MNIST.
pub const EXAMPLE_CLASSES: u16 = 10;

/// An architecture whose input and number of classes are not settled.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// What it is called.
    pub name: String,
    /// Shape of an image, as the file has it; data of another shape take its place.
    pub input: Shape,
    /// What the channels of convolutions and the outputs of dense layers are multiplied with, all but those of the last layer.
    width: f64,
    /// All layers but the last one.
    layers: Vec<Node>,
    /// The last layer: its outputs, where the file gives them; else as many as there are classes.
    last: Node<Option<u16>>,
}

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    #[serde(default, rename = "description")]
    _description: String,
    input: [u16; 3],
    #[serde(default = "one")]
    width: f64,
    layers: Vec<Node<FileLayer>>,
}

fn one() -> f64 {
    1.0
}

impl Template {
    /// The built-in architecture of that name.
    ///
    /// # Errors
    /// [`ArchitectureError::Unknown`].
    pub fn built_in(name: &str) -> Result<Self, ArchitectureError> {
        Self::from_toml(Self::built_in_file(name)?)
    }

    /// The TOML file of the built-in architecture of that name.
    ///
    /// # Errors
    /// [`ArchitectureError::Unknown`].
    pub fn built_in_file(name: &str) -> Result<&'static str, ArchitectureError> {
        let found = BUILT_IN.iter().find(|(built_in, _)| *built_in == name);
        found.map(|(_, text)| *text).ok_or_else(|| ArchitectureError::Unknown { name: name.to_owned() })
    }

    /// The TOML files of the built-in architectures, by name.
    #[must_use]
    pub fn built_in_files() -> &'static [(&'static str, &'static str)] {
        &BUILT_IN
    }

    /// Reads a file, and checks what does not depend on the shape of an image.
    ///
    /// # Errors
    /// [`ArchitectureError::Toml`], [`ArchitectureError::Name`], [`ArchitectureError::Width`], [`ArchitectureError::NoOutputs`],
    /// [`ArchitectureError::Numbers`], [`ArchitectureError::Connection`], [`ArchitectureError::LastLayer`].
    pub fn from_toml(text: &str) -> Result<Self, ArchitectureError> {
        let File { name, input: [rows, columns, channels], width, mut layers, .. } = toml::from_str(text)?;
        let is_unusable =
            |name: &str| name.contains(['/', '\\']) || name.contains(is_control) || name.len() > LONGEST_NAME;
        if name.is_empty() || name.starts_with('.') || is_unusable(&name) {
            return Err(ArchitectureError::Name { name });
        }
        let last = match layers.last() {
            Some(node @ Node { layer: FileLayer::Dense(FileDense { outputs, relu: false }), .. }) => {
                node.with(*outputs)
            }
            Some(_) | None => return Err(ArchitectureError::LastLayer { name }),
        };
        layers.pop();
        let read = |(index, node): (usize, Node<FileLayer>)| {
            let names = node.with(());
            let missing = || ArchitectureError::NoOutputs { name: name.clone(), layer: index };
            let layer = node.layer.layer().ok_or_else(missing)?;
            check(&name, index, layer)?;
            Ok::<Node, ArchitectureError>(names.with(layer))
        };
        let layers = layers.into_iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
        if let Some(outputs) = last.layer {
            check(&name, layers.len(), Layer::Dense(Dense { outputs, relu: false }))?;
        }
        let input = Shape { height: rows, width: columns, channels };
        let template = Self { name, input, width: 1.0, layers, last }.with_width(width)?;
        let nodes = template.nodes(template.last.layer.unwrap_or(EXAMPLE_CLASSES))?;
        match connect(&nodes) {
            Ok(_) => Ok(template),
            Err((layer, error)) => Err(ArchitectureError::connection(&template.name, &nodes, layer, error)),
        }
    }

    /// A network for other inputs and classes: the last layer has as many outputs as there are classes.
    ///
    /// # Errors
    /// [`ArchitectureError::LastLayer`].
    pub fn of(architecture: &Architecture) -> Result<Self, ArchitectureError> {
        let (name, input) = (architecture.name.clone(), architecture.input);
        let mut layers = architecture.nodes();
        match layers.pop() {
            Some(node @ Node { layer: Layer::Dense(Dense { relu: false, .. }), .. }) => {
                Ok(Self { name, input, width: 1.0, layers, last: node.with(None) })
            }
            Some(_) | None => Err(ArchitectureError::LastLayer { name }),
        }
    }

    /// The same network with another factor of its channels, in place of that of its file.
    ///
    /// # Errors
    /// [`ArchitectureError::Width`] where it is not above 0 and at most 64. Channels are multiplied, and refused where they are too
    /// many, once the input is known.
    pub fn with_width(self, width: f64) -> Result<Self, ArchitectureError> {
        if width > 0.0 && width <= MOST_WIDTH {
            Ok(Self { width, ..self })
        } else {
            Err(ArchitectureError::Width { width })
        }
    }

    /// The architecture for images of this shape and so many classes.
    ///
    /// # Errors
    /// [`ArchitectureError::Classes`] where the file gives another number of outputs, and those of [`Architecture::new`], which
    /// name the input that a layer would get.
    pub fn architecture(&self, input: Shape, classes: u16) -> Result<Architecture, ArchitectureError> {
        match self.last.layer {
            Some(outputs) if outputs != classes => {
                Err(ArchitectureError::Classes { name: self.name.clone(), outputs, classes })
            }
            Some(_) | None => Architecture::new(self.name.clone(), input, &self.nodes(classes)?),
        }
    }

    /// All layers, the last one with so many outputs.
    fn nodes(&self, outputs: u16) -> Result<Vec<Node>, ArchitectureError> {
        let last = self.last.with(Layer::Dense(Dense { outputs, relu: false }));
        let widened = |(layer, node): (usize, &Node)| match node.layer.widened(self.width) {
            Some(widened) => Ok(node.with(widened)),
            None => Err(ArchitectureError::Widened {
                name: self.name.clone(),
                layer,
                kind: node.layer.to_string(),
                width: self.width,
            }),
        };
        self.layers.iter().enumerate().map(widened).chain([Ok(last)]).collect()
    }

    /// The architecture for the file's own input, and as many classes as the file has outputs, or else
    /// [`EXAMPLE_CLASSES`].
    ///
    /// # Errors
    /// Those of [`Architecture::new`].
    pub fn example(&self) -> Result<Architecture, ArchitectureError> {
        self.architecture(self.input, self.last.layer.unwrap_or(EXAMPLE_CLASSES))
    }
}

impl Architecture {
    /// The built-in architecture of that name, for ten classes.
    ///
    /// # Errors
    /// [`ArchitectureError::Unknown`].
    pub fn built_in(name: &str) -> Result<Self, ArchitectureError> {
        Template::built_in(name)?.example()
    }

    /// Reads an architecture and computes its shapes, with the file's own input, and ten classes where it leaves them to the data.
    ///
    /// # Errors
    /// [`ArchitectureError`], all variants but `Unknown` and `Classes`.
    pub fn from_toml(text: &str) -> Result<Self, ArchitectureError> {
        Template::from_toml(text)?.example()
    }
}

/// Refuses a layer that no input fits.
fn check(name: &str, index: usize, layer: Layer) -> Result<(), ArchitectureError> {
    layer.operator().check().map_err(|reason| ArchitectureError::Numbers {
        name: name.to_owned(),
        layer: index,
        kind: layer.to_string(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL_IMAGES: Shape = Shape { height: 4, width: 4, channels: 1 };
    const LARGE_IMAGES: Shape = Shape { height: 20, width: 30, channels: 3 };

    fn template(layers: &str) -> Result<Template, ArchitectureError> {
        Template::from_toml(&format!("name = \"mine\"\ninput = [4, 4, 1]\nlayers = [{layers}]"))
    }

    #[test]
    fn a_last_layer_without_outputs_has_one_per_class() {
        let template = template("{ dense = { outputs = 7, relu = true } }, { dense = {} }").unwrap();
        for classes in [2, 3, 10, 300] {
            let architecture = template.architecture(SMALL_IMAGES, classes).unwrap();
            assert_eq!(architecture.classes(), usize::from(classes));
        }
        assert_eq!(template.example().unwrap().classes(), usize::from(EXAMPLE_CLASSES));
    }

    #[test]
    fn other_outputs_than_classes_are_refused_with_both_numbers_and_what_to_do() {
        let template = template("{ dense = { outputs = 10 } }").unwrap();
        assert_eq!(template.architecture(SMALL_IMAGES, 10).unwrap().classes(), 10);
        assert_eq!(
            template.architecture(SMALL_IMAGES, 3).unwrap_err().to_string(),
            "architecture \"mine\": its last layer has 10 outputs, but there are 3 classes; set outputs = 3 there, or leave \
             outputs out, which gives one per class"
        );
    }

    #[test]
    fn a_width_multiplies_the_channels_of_all_layers_but_the_last() {
        let layers = "{ conv = { channels = 10, kernel = 3, padding = \"same\" } }, \
            { depthwise_conv = { kernel = 3, multiplier = 2, padding = \"same\" } }, { dense = { outputs = 7 } }, { dense = {} }";
        let channels = |width: &str| {
            let text = format!("name = \"mine\"\n{width}\ninput = [4, 4, 1]\nlayers = [{layers}]");
            let architecture = Template::from_toml(&text)?.example()?;
            Ok::<_, ArchitectureError>(
                architecture.layers.iter().map(|layer| layer.output.channels).collect::<Vec<_>>(),
            )
        };
        assert_eq!(channels("").unwrap(), [10, 20, 7, 10]);
        assert_eq!(channels("width = 0.25").unwrap(), [3, 6, 2, 10]);
        assert_eq!(channels("width = 0.001").unwrap(), [1, 2, 1, 10]);
        assert_eq!(channels("width = 2").unwrap(), [20, 40, 14, 10]);
        let error = Template::from_toml(
            "name = \"mine\"\nwidth = 64\ninput = [4, 4, 1]\nlayers = [{ conv = { channels = 2000, kernel = 1, padding = \"same\" } }, \
             { dense = {} }]",
        );
        let message = error.unwrap_err().to_string();
        assert!(
            message.ends_with("(conv 1x1x2000 same): with a width of 64 it has more than 65,535 channels"),
            "{message}"
        );
        for width in ["0", "-1.0", "nan", "65"] {
            let message = channels(&format!("width = {width}")).unwrap_err().to_string();
            assert!(message.contains("is not above 0, or is more than 64"), "{message}");
        }
        let half = Template::built_in("mobilenet").unwrap().with_width(0.5).unwrap().example().unwrap();
        assert_eq!(half.layers[0].output.channels, 16);
    }

    /// With as many weights and biases as the reference models have.
    #[test]
    fn the_networks_of_mlperf_tiny_have_their_parameters_and_multiply_accumulates() {
        for (name, input, classes, parameters, macs) in [
            ("resnet8", [32, 32, 3], 10, 77_706, 12_501_632),
            ("mobilenet", [96, 96, 3], 2, 210_850, 7_489_664),
            ("dscnn", [49, 10, 1], 12, 22_604, 2_656_768),
        ] {
            let template = Template::built_in(name).unwrap();
            let input = Shape { height: input[0], width: input[1], channels: input[2] };
            assert_eq!(template.input, input, "{name}");
            let architecture = template.architecture(input, classes).unwrap();
            assert_eq!((architecture.parameters(), architecture.macs()), (parameters, macs), "{name}");
        }
    }

    #[test]
    fn every_built_in_network_leaves_its_classes_to_the_data() {
        for (name, _) in Template::built_in_files() {
            let template = Template::built_in(name).unwrap();
            assert_eq!(template.last.layer, None, "{name}");
            assert_eq!(template.architecture(LARGE_IMAGES, 3).unwrap().classes(), 3, "{name}");
        }
    }

    #[test]
    fn shapes_are_checked_with_the_input_in_force_and_not_with_that_of_the_file() {
        let conv = "{ conv = { channels = 8, kernel = 5, padding = \"valid\" } }, { dense = {} }";
        let template = template(conv).unwrap();
        assert!(template.architecture(LARGE_IMAGES, 2).is_ok());
        for (input, shape) in [(SMALL_IMAGES, "4x4x1"), (Shape { height: 3, width: 9, channels: 2 }, "3x9x2")] {
            let message = template.architecture(input, 2).unwrap_err().to_string();
            assert!(message.contains(&format!("its input is {shape}; a kernel of 5x5 does not fit")), "{message}");
        }
    }

    #[test]
    fn what_no_input_fits_is_refused_before_there_are_data() {
        let refuse = |layers: &str| template(layers).unwrap_err().to_string();
        assert_eq!(
            refuse("{ dense = { relu = true } }, { dense = {} }"),
            "architecture \"mine\", layer 0 (dense): outputs is missing; only the last layer may leave it out"
        );
        assert!(refuse("{ dense = { relu = true } }").contains("must end in a dense layer without relu"));
        assert!(refuse("").contains("must end in a dense layer without relu"));
        assert!(refuse("{ dense = { outputs = 0 } }").contains("layer 0 (dense 0): it has no outputs"));
        let kernel = "{ conv = { channels = 1, kernel = 16, padding = \"same\" } }, { dense = {} }";
        assert!(refuse(kernel).contains("layer 0 (conv 16x16x1 same): kernel 16 is not 1 to 15"), "{}", refuse(kernel));
    }
}
