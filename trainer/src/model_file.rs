//! The bytes of `model.bin`, written and read: the payload through infer-core's own types, with its blobs aligned, and the header in front.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use infer_core::Network;
use infer_core::format::{Blob, Input, Layer, Metadata};
use infer_core::header::{HEADER_LEN, Header};
use infer_core::stage::Plan;

/// Blobs stand at multiples of this many bytes from the beginning of the file, so that kernels can read words.
const ALIGNMENT: usize = 4;

/// Why no model file came about.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum ModelFileError {
    /// The payload could not be encoded.
    #[error("the model cannot be encoded: {0}")]
    Encode(#[from] postcard::Error),
    /// infer-core would refuse the file.
    #[error("the model cannot run on a chip: {0}")]
    Refused(infer_core::Error),
}

/// The bytes of a model file.
///
/// # Errors
/// [`ModelFileError::Refused`] where infer-core could not run it, such as a network of too many layers.
pub fn encode(metadata: &Metadata<'_>, input: &Input, layers: &[Layer<'_>]) -> Result<Vec<u8>, ModelFileError> {
    let mut payload = postcard::to_allocvec(metadata)?;
    payload = postcard::to_extend(input, payload)?;
    payload = postcard::to_extend(&(layers.len() as u32), payload)?;
    for &layer in layers {
        let aligned = align_blobs(layer, HEADER_LEN + payload.len())?;
        payload = postcard::to_extend(&aligned, payload)?;
    }
    let plan = Plan::from_payload(&payload).map_err(ModelFileError::Refused)?;
    let header = Header {
        payload_len: payload.len() as u32,
        arena_len: plan.arena_len() as u32,
        input_len: plan.input.shape.len() as u32,
        classes: plan.classes.into(),
        crc32: 0,
    };
    let mut file = header.with_checksum_of(&payload).to_bytes().to_vec();
    file.extend_from_slice(&payload);
    Ok(file)
}

/// Bytes of a model file at most, four times what the most weights take that can be trained.
const MOST_BYTES: u64 = 256 << 20;

/// Bytes of an arena at most: no network that can be trained needs as many.
const MOST_ARENA: usize = 256 << 20;

/// The bytes of a file that should be a model.
///
/// # Errors
/// Where it cannot be read, or has no end.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(io::Error::other(format!("larger than {} MB, which no model is", MOST_BYTES >> 20)));
    }
    Ok(bytes)
}

/// As much memory as `model` needs to run, and none where it is no model: what its header claims is checked first.
///
/// # Errors
/// [`infer_core::Error`], where infer-core refuses the model; [`infer_core::Error::ArenaTooSmall`] where it wants more memory than
/// any network that can be trained.
pub fn arena(model: &[u8]) -> Result<Vec<u8>, infer_core::Error> {
    match Network::new(model, &mut []) {
        Err(infer_core::Error::ArenaTooSmall { needed, .. }) if needed <= MOST_ARENA => Ok(vec![0; needed]),
        Err(infer_core::Error::ArenaTooSmall { needed, .. }) => {
            Err(infer_core::Error::ArenaTooSmall { needed, given: MOST_ARENA })
        }
        Err(error) => Err(error),
        Ok(_) => Ok(Vec::new()),
    }
}

/// The same layer, each of its blobs padded so that its data stands aligned when the layer is written at `offset`.
fn align_blobs(mut layer: Layer<'_>, offset: usize) -> Result<Layer<'_>, postcard::Error> {
    // A padding moves only what comes behind it, so settling the blobs in the order of the file settles them all.
    for blob in 0..blobs(&mut layer).len() {
        let bytes = postcard::to_allocvec(&layer)?;
        let mut written: Layer = postcard::from_bytes(&bytes)?;
        let data = blobs(&mut written)[blob].data;
        let position = offset + (data.as_ptr() as usize - bytes.as_ptr() as usize);
        blobs(&mut layer)[blob].padding = &[0; ALIGNMENT][..position.next_multiple_of(ALIGNMENT) - position];
    }
    Ok(layer)
}

/// A layer's blobs in the order of the file.
fn blobs<'l, 'a>(layer: &'l mut Layer<'a>) -> Vec<&'l mut Blob<'a>> {
    match layer {
        Layer::Conv2d(conv) => vec![&mut conv.requantize.channels, &mut conv.weights],
        Layer::MaxPool2d => Vec::new(),
        Layer::Dense(dense) => vec![&mut dense.requantize.channels, &mut dense.weights],
        Layer::Logits(logits) => vec![&mut logits.biases, &mut logits.weights],
    }
}
