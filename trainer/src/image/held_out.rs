//! What a model file records of the images that its training held out: the share, and a fingerprint of all images.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The part of a folder's images that its training held out for the test, as a model file names it.
///
/// ```text
/// held out = share [ " of " fingerprint ]      0.15 of Zk3x-Q0aB7_d
/// ```
///
/// The fingerprint, with the word before it, is 16 bytes of the model file. Its presence shows that the images were chosen by
/// their content; trainers before that chose them by the order of their names. A change to decoding or conversion that moves
/// images between the parts is another rule, and needs another word than "of".
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeldOut {
    /// Share of the images, over 0 and under 1.
    pub share: f64,
    /// Which images there were; `None` in files of trainers that chose by name.
    pub fingerprint: Option<Fingerprint>,
}

/// A hash of all images that the held-out ones were chosen from, and of their classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; Fingerprint::LEN]);

impl Fingerprint {
    /// Its bytes. In a model file it is text of four characters for three bytes.
    pub const LEN: usize = 9;

    /// The beginning of a longer hash.
    #[must_use]
    pub fn of_hash(hash: &[u8; 32]) -> Self {
        let mut bytes = [0; Self::LEN];
        bytes.copy_from_slice(&hash[..Self::LEN]);
        Self(bytes)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl FromStr for Fingerprint {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(drop)?;
        bytes.try_into().map(Self).map_err(drop)
    }
}

impl fmt::Display for HeldOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fingerprint {
            None => self.share.fmt(f),
            Some(fingerprint) => write!(f, "{} of {fingerprint}", self.share),
        }
    }
}

impl FromStr for HeldOut {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (share, fingerprint) = match text.split_once(" of ") {
            None => (text, None),
            Some((share, fingerprint)) => (share, Some(fingerprint.parse()?)),
        };
        let share = share.parse().ok().filter(|&share: &f64| share > 0.0 && share < 1.0).ok_or(())?;
        Ok(Self { share, fingerprint })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_takes_16_bytes_of_a_model_file() {
        let share = HeldOut { share: 0.15, fingerprint: None };
        let both = HeldOut { fingerprint: Some(Fingerprint::of_hash(&[0xFB; 32])), ..share };
        assert_eq!((share.to_string().as_str(), both.to_string().as_str()), ("0.15", "0.15 of -_v7-_v7-_v7"));
        assert_eq!(both.to_string().len(), share.to_string().len() + 16);
        for held_out in [share, both] {
            assert_eq!(held_out.to_string().parse(), Ok(held_out));
        }
    }

    #[test]
    fn what_is_no_share_or_no_fingerprint_is_refused() {
        for text in [
            "",
            "x",
            "0",
            "1",
            "-0.1",
            "NaN",
            "0.15 of ",
            "0.15 of abc",
            "0.15 of -_v7-_v7-_v7A",
            "0.15 in -_v7-_v7-_v7",
        ] {
            assert_eq!(text.parse::<HeldOut>(), Err(()), "{text:?}");
        }
    }
}
