//! What a model file holds, from the file alone.

use infer_core::format::{Codes, Input, Layout, Metadata, Requantize, Window};
use infer_core::header::{FORMAT_VERSION, HEADER_LEN};
use infer_core::kernels::operands::ChannelTable;
use infer_core::operators;
use infer_core::plan::StagePlaces;
use infer_core::{Header, Network, Shape};
use serde::Serialize;

use crate::export::decision::Decision;
use crate::export::hardware::{self, Chip, Footprint};
use crate::export::model_file;
use crate::image::Preprocessing;
use crate::network::chain::flow;
use crate::network::graph::IMAGE;
use crate::network::layers::record;
use crate::network::record::Scaling;
use crate::network::{Architecture, ArchitectureError, Node, ShapedLayer};

/// What a model file holds.
#[derive(Clone, Debug, Serialize)]
pub struct Listing {
    /// Version of the format.
    pub format_version: u16,
    /// CRC-32 of header and payload, compared.
    #[serde(serialize_with = "as_hexadecimal")]
    pub crc32: u32,
    /// Header and payload: all of it is flash.
    pub flash_bytes: usize,
    /// Bytes after the payload, which are not the model's.
    pub bytes_after: usize,
    /// What is no layer: header, metadata, input, thresholds of classes.
    pub preamble_bytes: usize,
    /// RAM of an inference.
    pub arena: Arena,
    /// Where the model comes from and what its answers mean.
    pub metadata: MetadataListing,
    /// How sure an answer has to be.
    pub decision: Decision,
    /// What goes in.
    pub input: InputListing,
    /// The layers in order.
    pub layers: Vec<LayerListing>,
    /// The stages in the order they run.
    pub stages: Vec<StageListing>,
    /// Weights and biases.
    pub parameters: usize,
    /// Multiply-accumulates of one inference.
    pub macs: usize,
    /// What it takes of chips that are known.
    pub chips: Vec<ChipListing>,
}

/// What a model takes of a chip.
#[derive(Clone, Debug, Serialize)]
pub struct ChipListing {
    /// Name of the chip.
    pub chip: String,
    /// Its core.
    pub core: String,
    /// Its clock in MHz.
    pub clock: u32,
    /// Flash for the model and the program that runs it.
    pub flash: Share,
    /// RAM for the arena, an image and the stack.
    pub ram: Share,
    /// Seconds for an image without zeros, at best and at worst: an estimate.
    pub estimated_seconds: [f64; 2],
}

/// Bytes of what there is.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Share {
    /// Bytes taken.
    pub needed: usize,
    /// Bytes that there are.
    pub available: usize,
}

/// The bytes of the arena and what they are for.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Arena {
    /// All of it.
    pub bytes: usize,
    /// All of it, where the image is in it too.
    pub bytes_with_image: usize,
    /// Inputs and output of the stage with the most of them.
    pub activations: usize,
    /// Working memory of the stage that needs the most.
    pub scratch: usize,
    /// The logits.
    pub logits: usize,
}

/// The metadata of a file.
#[derive(Clone, Debug, Serialize)]
pub struct MetadataListing {
    /// Version of the trainer that wrote the file.
    pub trainer: String,
    /// The data set that the model was trained on.
    pub dataset: String,
    /// Name of the architecture.
    pub architecture: String,
    /// The classes in the order of the logits.
    pub class_names: Vec<String>,
    /// How an image becomes an input.
    pub preprocessing: String,
    /// Accuracy of the float model on the test images, 0 to 1.
    pub float_test_accuracy: Option<f32>,
    /// Accuracy of this model on them.
    pub int8_test_accuracy: Option<f32>,
}

/// The input of a model.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct InputListing {
    /// Shape of an image.
    pub shape: Shape,
    /// Real value of one step of a pixel.
    pub scale: f32,
    /// The pixel that means 0.
    pub zero_point: u8,
}

/// A layer of a file.
#[derive(Clone, Debug, Serialize)]
pub struct LayerListing {
    /// Counted from 0.
    pub layer: usize,
    /// What it does.
    pub name: String,
    /// Shape that comes out.
    pub output: Shape,
    /// Weights and biases.
    pub parameters: usize,
    /// Multiply-accumulates of one inference.
    pub macs: usize,
    /// Bytes of the file.
    pub flash_bytes: usize,
    /// How its weights lie; `None` for a layer without weights.
    pub layout: Option<&'static str>,
    /// Its scales; `None` for a layer whose output is the codes of its input.
    pub scales: Option<ScalesListing>,
}

/// Where a stage works. Ranges of bytes from the first word of the arena: the first, and the one after the last.
#[derive(Clone, Debug, Serialize)]
pub struct StageListing {
    /// Its last layer, counted from 0.
    pub last_layer: usize,
    /// What it reads: 0 is the image, `n` the output of stage `n - 1`.
    pub sources: Vec<u8>,
    /// Where what it reads is; of the image, where it is if it is in the arena.
    pub inputs: Vec<[usize; 2]>,
    /// Where its output is.
    pub output: [usize; 2],
    /// Where its scratch is; `None` where it needs none.
    pub scratch: Option<[usize; 2]>,
}

/// The scales of a layer.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ScalesListing {
    /// Real value of one step of what comes out: of a code, or of a logit.
    pub output: f32,
    /// The code that means 0; `None` of logits.
    pub zero_point: Option<u8>,
    /// Left shift before the multiplication; `None` of logits, and where each channel has a shift of its own.
    pub shift: Option<u8>,
    /// How often sums are rounded on their way to codes.
    pub roundings: u8,
    /// The smallest scale of a channel's weights; `None` of a layer without weights.
    pub smallest_weight: Option<f64>,
    /// The largest.
    pub largest_weight: Option<f64>,
}

/// Why a file cannot be listed.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// infer-core refuses it.
    #[error(transparent)]
    Refused(#[from] infer_core::Error),
    /// The records of a payload that infer-core reads cannot be read by way of serde.
    #[error("the payload cannot be decoded: {0}")]
    Payload(#[from] postcard::Error),
    /// The layers cannot follow each other.
    #[error(transparent)]
    Architecture(#[from] ArchitectureError),
}

impl Listing {
    /// Checks `file` as a chip would, and lists what it holds.
    ///
    /// # Errors
    /// [`InspectError`].
    pub fn new(file: &[u8]) -> Result<Self, InspectError> {
        let header = Header::parse(file)?;
        // What cannot run is not listed. Loading also compares the checksum, and so every length below.
        let mut memory = model_file::arena(file)?;
        let network = Network::new(file, &mut memory)?;
        let plan = network.plan();
        let arena = Arena {
            bytes: header.arena_len as usize,
            bytes_with_image: header.arena_with_image_len as usize,
            activations: plan.activations_len(),
            scratch: plan.scratch_bytes(),
            logits: usize::from(plan.classes()) * size_of::<i32>(),
        };

        let flash_bytes = HEADER_LEN + header.payload_len as usize;
        let (metadata, rest) = postcard::take_from_bytes::<Metadata>(&file[HEADER_LEN..flash_bytes])?;
        let (input, rest) = postcard::take_from_bytes::<Input>(rest)?;
        let (_image_place, rest) = postcard::take_from_bytes::<u32>(rest)?;
        let (count, rest) = postcard::take_from_bytes::<u32>(rest)?;
        let preamble_bytes = flash_bytes - rest.len() + plan.thresholds().bytes().len();
        let records = read_layers(rest, count)?;

        let nodes: Vec<Node> = records.iter().map(|read| read.node.clone()).collect();
        let architecture = Architecture::new(metadata.architecture.to_owned(), input.shape, &nodes)?;
        let stages = architecture.stages();
        let scaling = |index: usize| record(&records[index].record).scaling();
        let own = |index: usize| scaling(index).codes().unwrap_or(input.codes);
        let flows = flow(&stages, input.codes, |stage, _| Ok::<_, InspectError>(own(stage.index)))?;
        let mut scales = vec![None; records.len()];
        for (stage, flow) in stages.iter().zip(flows) {
            scales[stage.index] = ScalesListing::of(scaling(stage.index), flow.inputs.input);
        }
        let layers = records.iter().zip(&architecture.layers).zip(scales).enumerate();
        let layers = layers
            .map(|(index, ((read, shaped), scales))| LayerListing {
                layout: layout_of(&read.record).map(Layout::name),
                ..LayerListing::new(index, shaped, read.bytes, scales)
            })
            .collect();
        let footprint = Footprint {
            model: flash_bytes,
            arena: arena.bytes,
            image: header.input_len as usize,
            operators: header.operators,
        };
        let layouts: Vec<Layout> =
            stages.iter().map(|stage| layout_of(&records[stage.index].record).unwrap_or_default()).collect();
        let listed = |chip| ChipListing::new(chip, &footprint, &architecture, &layouts);
        let chips = hardware::chips().iter().map(listed).collect();
        Ok(Self {
            format_version: FORMAT_VERSION,
            crc32: header.crc32,
            flash_bytes,
            bytes_after: file.len() - flash_bytes,
            preamble_bytes,
            arena,
            input: InputListing { shape: input.shape, scale: input.codes.scale, zero_point: input.codes.zero_point },
            layers,
            stages: plan.places().map(StageListing::from).collect(),
            parameters: architecture.parameters(),
            macs: architecture.macs(),
            chips,
            metadata: MetadataListing::new(metadata, &input),
            decision: Decision::of_file(file)?,
        })
    }
}

impl ChipListing {
    fn new(chip: &Chip, footprint: &Footprint, architecture: &Architecture, layouts: &[Layout]) -> Self {
        let program = chip.core.program(footprint.operators);
        Self {
            chip: chip.name.clone(),
            core: chip.core.name.clone(),
            clock: chip.clock,
            flash: Share { needed: footprint.flash(program), available: chip.flash },
            ram: Share { needed: footprint.ram(program), available: chip.ram },
            estimated_seconds: chip.estimate(architecture, layouts).map(|time| time.as_secs_f64()),
        }
    }

    /// Whether there is enough of both.
    #[must_use]
    pub fn fits(&self) -> bool {
        [self.flash, self.ram].iter().all(|share| share.needed <= share.available)
    }
}

/// A layer of a file.
struct ReadLayer<'a> {
    node: Node,
    record: operators::Layer<'a>,
    bytes: usize,
}

/// The layers of a file's stages.
fn read_layers(mut rest: &[u8], count: u32) -> Result<Vec<ReadLayer<'_>>, InspectError> {
    let mut layers = Vec::new();
    // The names of what stages read, by the number of a source: those of layers are their indices, as a file has none.
    let mut sources = vec![IMAGE.to_owned()];
    for number in 0..count as usize {
        let (stage, after) = postcard::take_from_bytes::<operators::StageRecord<'_>>(rest)?;
        let name = |read: u8| sources.get(usize::from(read)).cloned();
        let input = usize::from(stage.ports.input.source);
        let node = Node {
            name: Some(layers.len().to_string()),
            input: if input == number { None } else { name(stage.ports.input.source) },
            residual: stage.ports.second.and_then(|second| name(second.source)),
            layer: (&stage.layer).into(),
        };
        layers.push(ReadLayer { node, record: stage.layer, bytes: rest.len() - after.len() });
        // A pool that runs with a convolution takes no bytes of its own.
        if let operators::Layer::Conv2d(operators::Conv2d { pool: true, .. }) = stage.layer {
            let pool = operators::Layer::MaxPool2d(operators::MaxPool2d { window: Window::square(2, 2) });
            let node = Node { name: Some(layers.len().to_string()), ..Node::new((&pool).into()) };
            layers.push(ReadLayer { node, record: pool, bytes: 0 });
        }
        sources.push((layers.len() - 1).to_string());
        rest = after;
    }
    Ok(layers)
}

impl LayerListing {
    fn new(index: usize, shaped: &ShapedLayer, flash_bytes: usize, scales: Option<ScalesListing>) -> Self {
        Self {
            layer: index,
            name: shaped.layer.with_named_padding(shaped.input).to_string(),
            output: shaped.output,
            parameters: shaped.parameters(),
            macs: shaped.macs(),
            flash_bytes,
            layout: None,
            scales,
        }
    }
}

/// How the weights of a record lie; `None` where it has none.
fn layout_of(record: &operators::Layer<'_>) -> Option<Layout> {
    match record {
        operators::Layer::Conv2d(record) => Layout::numbered(record.layout),
        operators::Layer::DepthwiseConv2d(record) => Layout::numbered(record.layout),
        operators::Layer::Dense(record) => Layout::numbered(record.layout),
        operators::Layer::Logits(record) => Layout::numbered(record.layout),
        operators::Layer::MaxPool2d(_)
        | operators::Layer::AveragePool2d(_)
        | operators::Layer::Add(_)
        | operators::Layer::AddRescaled(_) => None,
    }
}

impl From<StagePlaces> for StageListing {
    fn from(places: StagePlaces) -> Self {
        let StagePlaces { layer, ports, output_len, scratch_len, .. } = places;
        let range = |place: u32, len: usize| [place as usize, place as usize + len];
        Self {
            last_layer: layer.into(),
            sources: ports.inputs().map(|read| read.source).collect(),
            inputs: ports.inputs().map(|read| range(read.place, read.shape.len())).collect(),
            output: range(ports.output, output_len),
            scratch: (scratch_len > 0).then(|| range(ports.scratch, scratch_len)),
        }
    }
}

impl ScalesListing {
    /// The scales of a layer, given what its output and its input mean.
    fn of(scaling: Scaling<'_>, input: Codes) -> Option<Self> {
        match scaling {
            Scaling::OfInput => None,
            Scaling::Requantized { requantize, roundings } => {
                Some(Self { roundings, ..requantized_scales(&requantize, input) })
            }
            Scaling::Codes { codes, roundings } => Some(Self {
                output: codes.scale,
                zero_point: Some(codes.zero_point),
                shift: None,
                roundings,
                smallest_weight: None,
                largest_weight: None,
            }),
            Scaling::Logits(scale) => {
                let weight = Some(f64::from(scale) / f64::from(input.scale));
                Some(Self {
                    output: scale,
                    zero_point: None,
                    shift: None,
                    roundings: 0,
                    smallest_weight: weight,
                    largest_weight: weight,
                })
            }
        }
    }
}

/// Scales of weights are not in a file: they follow from the multipliers, `input scale * weight scale / output scale`.
fn requantized_scales(requantize: &Requantize<'_>, input: Codes) -> ScalesListing {
    let Requantize { codes, shift, channels, .. } = *requantize;
    let is_once = shift != Requantize::TWICE;
    let table = ChannelTable::new(channels.data);
    let ratios: Vec<f64> = match is_once {
        true => table.iter().map(|(_, multiplier)| f64::from(multiplier) * (f64::from(shift) - 32.0).exp2()).collect(),
        false => table
            .of_two_roundings()
            .1
            .map(|scaling| f64::from(scaling.multiplier) * f64::from(-31 - scaling.shift).exp2())
            .collect(),
    };
    let step = f64::from(codes.scale) / f64::from(input.scale);
    ScalesListing {
        output: codes.scale,
        zero_point: Some(codes.zero_point),
        shift: is_once.then_some(shift),
        roundings: 1,
        smallest_weight: ratios.iter().copied().reduce(f64::min).map(|ratio| ratio * step),
        largest_weight: ratios.iter().copied().reduce(f64::max).map(|ratio| ratio * step),
    }
}

impl MetadataListing {
    fn new(metadata: Metadata<'_>, input: &Input) -> Self {
        let preprocessing = Preprocessing::of_model(metadata.images, input);
        Self {
            trainer: metadata.trainer.to_owned(),
            dataset: metadata.dataset.to_owned(),
            architecture: metadata.architecture.to_owned(),
            class_names: metadata.class_names().map(str::to_owned).collect(),
            // One of another program has a text of its own.
            preprocessing: preprocessing.map_or_else(|_| metadata.images.to_owned(), |known| known.to_string()),
            float_test_accuracy: metadata.float_test_accuracy,
            int8_test_accuracy: metadata.int8_test_accuracy,
        }
    }
}

fn as_hexadecimal<S: serde::Serializer>(number: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{number:#010x}"))
}
