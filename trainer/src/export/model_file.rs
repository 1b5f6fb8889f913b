//! The bytes of `model.bin`, written and read: the payload through infer-core's own types, with its blobs aligned, and the header in front.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use infer_core::Network;
use infer_core::format::{Input, Metadata, Ports};
use infer_core::header::{HEADER_LEN, Header};
use infer_core::kernels::operands::{AddOperands, AddRescaledOperands, AveragePool2dOperands, MaxPool2dOperands};
use infer_core::operators::{Layer, Stage, StageRecord};
use infer_core::plan::{self, Places, Plan};

use crate::network::ArchitectureError;
use crate::network::chain::QuantizedStage;
use crate::network::inputs::{Inputs, Source};
use crate::network::layers::record_mut;
use crate::network::record::WrongNumbers;
use crate::support::bounded_file;
use crate::support::limits::{self, LONGEST_NAME, MACS_A_VALUE, MOST_CLASSES, MOST_MACS};
use crate::support::text::thousands;

/// Blobs are at multiples of this many bytes from the beginning of the file, so that kernels can read words.
const ALIGNMENT: usize = 4;

/// What a TFLite file has at its fifth byte.
const TFLITE: &[u8] = b"TFL3";

/// Why no model file came about.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum ModelFileError {
    /// The payload could not be encoded.
    #[error("the model cannot be encoded: {0}")]
    Encode(#[from] postcard::Error),
    /// A layer was given numbers of another.
    #[error(transparent)]
    Numbers(#[from] WrongNumbers),
    /// There is no such network.
    #[error(transparent)]
    Architecture(Box<ArchitectureError>),
    /// infer-core would refuse the file.
    #[error("the model cannot run on a chip: {0}")]
    Refused(infer_core::Error),
    /// The host would refuse it.
    #[error("the model cannot run here: {0}")]
    Limit(#[from] LimitError),
}

impl From<ArchitectureError> for ModelFileError {
    fn from(error: ArchitectureError) -> Self {
        // Boxed, as it is long and this is part of other errors.
        Self::Architecture(Box::new(error))
    }
}

/// What a model requires beyond what the host gives to any.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// Too many classes.
    #[error("{classes} classes, and at most {MOST_CLASSES} are supported")]
    Classes {
        /// Classes of the model.
        classes: usize,
    },
    /// A name that is too long.
    #[error("the name of {what} is {bytes} bytes long, and at most {LONGEST_NAME} are read")]
    Name {
        /// What it is the name of.
        what: &'static str,
        /// Bytes of the name.
        bytes: usize,
    },
    /// Too much work.
    #[error(
        "an inference takes {} multiply-accumulates, and at most {} are done here",
        count(*.macs),
        thousands(MOST_MACS as usize)
    )]
    Macs {
        /// Multiply-accumulates of an inference.
        macs: u64,
    },
    /// Too much work, of which no multiply-accumulates are counted.
    #[error(
        "an inference takes {} multiply-accumulates and reads {} values in pools and additions, which count as {MACS_A_VALUE} each, and \
         at most {} are done here",
        count(*.macs),
        count(*.values),
        thousands(MOST_MACS as usize)
    )]
    Values {
        /// Multiply-accumulates of an inference.
        macs: u64,
        /// Values that are read, each as often as a window covers it.
        values: u64,
    },
}

fn count(number: u64) -> String {
    thousands(usize::try_from(number).unwrap_or(usize::MAX))
}

/// Why a file is not a model that the host runs.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be read, or is too long.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is a directory, such as that of a run.
    #[error("a directory; give a model file, such as the model.bin of a run")]
    Directory,
    /// It is a TFLite file.
    #[error("a TFLite file; trainer import makes a model of one")]
    TfLite,
    /// infer-core refuses it.
    #[error(transparent)]
    Refused(#[from] infer_core::Error),
    /// It requires more than the host gives.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

/// The bytes of a model file, of layers each of which reads the output of the one before it.
///
/// # Errors
/// [`ModelFileError::Refused`] where infer-core could not run it, such as a network of too many layers.
pub fn encode(metadata: &Metadata<'_>, input: &Input, layers: &[Layer<'_>]) -> Result<Vec<u8>, ModelFileError> {
    encode_graph(metadata, input, plan::chain(layers.iter().copied()).collect(), Places::Apart)
}

/// The most bytes of an arena in which no output overlaps an input: a stage whose output does runs in bands of a few rows, each a
/// call of its kernel, and a smaller network has no need to save memory for that.
const MOST_APART: u32 = 12 * 1024;

/// The bytes of a model file, of stages in the order they run. Outputs overlap inputs where the arena would have more than
/// 12 KiB otherwise.
///
/// # Errors
/// As [`encode`].
pub fn encode_stages(
    metadata: &Metadata<'_>,
    input: &Input,
    stages: &[QuantizedStage],
) -> Result<Vec<u8>, ModelFileError> {
    let records = || stages.iter().map(stage_record).collect();
    let apart = encode_graph(metadata, input, records(), Places::Apart)?;
    let arena = Header::parse(&apart).map_err(ModelFileError::Refused)?.arena_len;
    if arena <= MOST_APART { Ok(apart) } else { encode_graph(metadata, input, records(), Places::Overlapping) }
}

fn stage_record(stage: &QuantizedStage) -> StageRecord<'_> {
    // A source that a byte does not hold is one of more stages than infer-core takes.
    let source = |source| match source {
        Source::Image => 0,
        Source::Output(stage) => u8::try_from(stage + 1).unwrap_or(u8::MAX),
    };
    let Inputs { input, residual } = stage.reads.map(source);
    let ports = residual.map_or(Ports::of(input), |residual| Ports::of_two(input, residual));
    StageRecord { ports, layer: stage.layer.borrow() }
}

/// The bytes of a model file, of stages in the order they run, each with the sources that it reads. Everything else of their
/// ports is [planned](plan::place) here.
///
/// # Errors
/// As [`encode`].
pub fn encode_graph(
    metadata: &Metadata<'_>,
    input: &Input,
    mut stages: Vec<StageRecord<'_>>,
    places: Places,
) -> Result<Vec<u8>, ModelFileError> {
    let image_place = plan::place(input, &mut stages, places);
    let mut payload = postcard::to_allocvec(metadata)?;
    payload = postcard::to_extend(input, payload)?;
    payload = postcard::to_extend(&image_place, payload)?;
    payload = postcard::to_extend(&(stages.len() as u32), payload)?;
    for StageRecord { ports, layer } in stages {
        payload = postcard::to_extend(&ports, payload)?;
        let aligned = align_blobs(layer, HEADER_LEN + payload.len())?;
        payload = postcard::to_extend(&aligned, payload)?;
    }
    let plan = Plan::from_payload(&payload).map_err(ModelFileError::Refused)?;
    check_limits(&plan)?;
    let mut file = Header::of(&payload, &plan).to_bytes().to_vec();
    file.extend_from_slice(&payload);
    Ok(file)
}

/// The bytes of a model file that the user names, which may be a pipe, checked as far as the file and the
/// [`limits`] go.
///
/// # Errors
/// [`ReadError`].
pub fn read(path: &Path) -> Result<Vec<u8>, ReadError> {
    if path.is_dir() {
        return Err(ReadError::Directory);
    }
    let bytes = bounded_file::read_named(path, limits::MODEL)?;
    if bytes.get(4..8) == Some(TFLITE) {
        return Err(ReadError::TfLite);
    }
    check(&bytes)?;
    Ok(bytes)
}

/// Whether a path is that of a TFLite file.
#[must_use]
pub fn is_tflite(path: &Path) -> bool {
    let mut start = [0; 8];
    let mut read = || File::open(path)?.read_exact(&mut start);
    path.is_file() && read().is_ok() && start.ends_with(TFLITE)
}

/// As [`read`], of a model file in a directory: a pipe or a device there is refused.
///
/// # Errors
/// [`ReadError`].
pub fn read_regular(path: &Path) -> Result<Vec<u8>, ReadError> {
    let bytes = bounded_file::read_regular(path, limits::MODEL)?;
    check(&bytes)?;
    Ok(bytes)
}

/// Refuses bytes that infer-core refuses, and a model that requires more than the host gives: every model that the host runs comes
/// through here or through [`encode`].
///
/// # Errors
/// [`ReadError::Refused`], [`ReadError::Limit`].
pub fn check(model: &[u8]) -> Result<(), ReadError> {
    // Everything but the arena is checked before the arena is: checksum, header, layers.
    match Network::new(model, &mut []) {
        Ok(_) | Err(infer_core::Error::ArenaTooSmall { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let header = Header::parse(model)?;
    let payload = model.get(HEADER_LEN..).and_then(|after| after.get(..header.payload_len as usize));
    Ok(check_limits(&Plan::from_payload(payload.unwrap_or_default())?)?)
}

fn check_limits(plan: &Plan<'_>) -> Result<(), LimitError> {
    let classes = usize::from(plan.classes());
    if classes > MOST_CLASSES {
        return Err(LimitError::Classes { classes });
    }
    let Metadata { trainer, dataset, architecture, images, .. } = plan.metadata;
    let names = [("the trainer", trainer), ("the data set", dataset), ("the network", architecture)];
    let names = names.into_iter().chain([("the images", images)]);
    for (what, name) in names.chain(plan.metadata.class_names().map(|name| ("a class", name))) {
        if name.len() > LONGEST_NAME {
            return Err(LimitError::Name { what, bytes: name.len() });
        }
    }
    let (macs, values) = (plan.macs(), values_read(plan));
    match macs.saturating_add(values.saturating_mul(MACS_A_VALUE)) {
        _ if macs > MOST_MACS => Err(LimitError::Macs { macs }),
        work if work > MOST_MACS => Err(LimitError::Values { macs, values }),
        _ => Ok(()),
    }
}

/// Values that the pools and additions of an inference read, each as often as a window covers it: work that [`Plan::macs`] does not
/// count.
fn values_read(plan: &Plan<'_>) -> u64 {
    let of_stage = |stage: Stage<'_>| match stage {
        Stage::MaxPool2d(MaxPool2dOperands { output, size: [rows, columns], .. })
        | Stage::AveragePool2d(AveragePool2dOperands { output, size: [rows, columns], .. }) => {
            output.len() as u64 * u64::from(rows) * u64::from(columns)
        }
        Stage::Add(AddOperands { len, .. }) | Stage::AddRescaled(AddRescaledOperands { len, .. }) => 2 * len as u64,
        // Their multiply-accumulates are counted.
        Stage::Conv2d(_) | Stage::DepthwiseConv2d(_) | Stage::Dense(_) => 0,
    };
    // A product is below 2^22 * 2^16 * 2^16 where infer-core took the shapes, and there are 128 stages.
    plan.stages().map(|numbered| of_stage(numbered.stage)).fold(0, u64::saturating_add)
}

/// As much memory as `model` needs to run, and none where it is no model: what its header claims is checked first.
///
/// # Errors
/// [`infer_core::Error`], where infer-core refuses the model; [`infer_core::Error::ArenaTooSmall`] where it wants more memory than
/// any network that can be trained.
pub fn arena(model: &[u8]) -> Result<Vec<u8>, infer_core::Error> {
    match Network::new(model, &mut []) {
        Err(infer_core::Error::ArenaTooSmall { needed, .. }) if needed <= limits::ARENA_BYTES => Ok(vec![0; needed]),
        Err(infer_core::Error::ArenaTooSmall { needed, .. }) => {
            Err(infer_core::Error::ArenaTooSmall { needed, given: limits::ARENA_BYTES })
        }
        Err(error) => Err(error),
        Ok(_) => Ok(Vec::new()),
    }
}

/// The same layer, each of its blobs padded so that its data is aligned when the layer is written at `offset`.
fn align_blobs(mut layer: Layer<'_>, offset: usize) -> Result<Layer<'_>, postcard::Error> {
    // A padding moves only what comes after it, so settling the blobs in the order of the file settles them all.
    for blob in 0..record_mut(&mut layer).blobs().len() {
        let bytes = postcard::to_allocvec(&layer)?;
        let mut written: Layer = postcard::from_bytes(&bytes)?;
        let data = record_mut(&mut written).blobs()[blob].data;
        let position = offset + (data.as_ptr() as usize - bytes.as_ptr() as usize);
        record_mut(&mut layer).blobs()[blob].padding =
            &[0; ALIGNMENT][..position.next_multiple_of(ALIGNMENT) - position];
    }
    Ok(layer)
}
