//! Files on the host: input to read, results to write.

use semihosting::fs::File;
use semihosting::io::{Read, Write};

use crate::c_path::with_c_path;
use crate::host::Failure;

/// Images one after the other, or whatever a program reads piece by piece.
pub struct InputFile(File);

impl InputFile {
    /// Opens a file on the host.
    ///
    /// # Errors
    /// [`Failure::Host`].
    pub fn open(path: &str) -> Result<Self, Failure> {
        with_c_path(path, |path| File::open(path)).map(Self).map_err(|error| Failure::Host("open the input", error))
    }

    /// Fills `piece` with what comes next; whether there was anything.
    ///
    /// # Errors
    /// [`Failure::Host`], and [`Failure::Incomplete`] where the file ends inside of a piece.
    pub fn read(&mut self, piece: &mut [u8]) -> Result<bool, Failure> {
        let mut filled = 0;
        while let Some(rest) = piece.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.0.read(rest).map_err(|error| Failure::Host("read the input", error))? {
                0 if filled == 0 => return Ok(false),
                0 => return Err(Failure::Incomplete),
                more => filled += more,
            }
        }
        Ok(true)
    }
}

/// Results on their way to the host.
pub struct ResultFile(File);

impl ResultFile {
    /// Creates a file on the host, or empties it.
    ///
    /// # Errors
    /// [`Failure::Host`].
    pub fn create(path: &str) -> Result<Self, Failure> {
        with_c_path(path, |path| File::create(path)).map(Self).map_err(|error| Failure::Host("create a file", error))
    }

    /// Appends logits, little-endian.
    ///
    /// # Errors
    /// [`Failure::Host`].
    pub fn write_logits(&mut self, logits: &[i32]) -> Result<(), Failure> {
        for logit in logits {
            self.write(&logit.to_le_bytes())?;
        }
        Ok(())
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// [`Failure::Host`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.0.write_all(bytes).map_err(|error| Failure::Host("write a result", error))
    }
}
