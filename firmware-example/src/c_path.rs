//! Paths on the host, as semihosting takes them: with a zero at the end.

use core::ffi::CStr;

use semihosting::fs::File;
use semihosting::io::{ErrorKind, Result};

/// Bytes that a path may have.
const LONGEST: usize = 512;

/// Opens or creates the file of this path.
///
/// # Errors
/// That of `open`; [`ErrorKind::InvalidInput`] where the path is longer than 512 bytes or has a zero in it.
pub fn with_c_path(path: &str, open: impl FnOnce(&CStr) -> Result<File>) -> Result<File> {
    let mut terminated = [0; LONGEST + 1];
    match terminated.get_mut(..path.len()).filter(|_| path.len() <= LONGEST) {
        Some(room) => room.copy_from_slice(path.as_bytes()),
        None => return Err(ErrorKind::InvalidInput.into()),
    }
    match CStr::from_bytes_until_nul(&terminated) {
        Ok(terminated) if terminated.count_bytes() == path.len() => open(terminated),
        Ok(_) | Err(_) => Err(ErrorKind::InvalidInput.into()),
    }
}
