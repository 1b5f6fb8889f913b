//! Model files with a signature after them, which proves who made them: what a checksum cannot prove.
//!
//! ```text
//! model.bin, as it is | Ed25519 signature over all of it, 64 bytes
//! ```
//!
//! infer-core does not look at what follows the payload, so a signed file is a model file. [`verified`] is what a chip does
//! before [`Network::new`](infer_core::Network::new) sees a byte: neither it nor the crate under it needs std or an allocator.

use ed25519_compact::{PublicKey, SecretKey, Signature};
use infer_core::header::HEADER_LEN;
use infer_core::{Error, Header};

/// Bytes of a signature.
pub const SIGNATURE_LEN: usize = Signature::BYTES;

/// Why a file is not loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no model, or not all of it.
    Model(Error),
    /// There are not enough bytes after the model.
    NoSignature,
    /// It was not signed by the owner of the key, or was changed since.
    Signature,
}

/// The model in `flash`, without what follows it, if the owner of `key` signed it.
///
/// # Errors
/// [`Refusal`].
pub fn verified<'f>(flash: &'f [u8], key: &PublicKey) -> Result<&'f [u8], Refusal> {
    let header = Header::parse(flash).map_err(Refusal::Model)?;
    // The length is not to be trusted yet: it states what to verify, and is verified with it.
    let needed = HEADER_LEN.saturating_add(header.payload_len as usize);
    let Some((model, after)) = flash.split_at_checked(needed) else {
        return Err(Refusal::Model(Error::Truncated { needed, given: flash.len() }));
    };
    let signature = after.first_chunk::<SIGNATURE_LEN>().ok_or(Refusal::NoSignature)?;
    key.verify(model, &Signature::new(*signature)).map_err(|_| Refusal::Signature)?;
    Ok(model)
}

/// `model` with its signature after it.
#[must_use]
pub fn sign(model: &[u8], key: &SecretKey) -> Vec<u8> {
    [model, &key.sign(model, None)[..]].concat()
}
