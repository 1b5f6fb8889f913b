//! Values of flags: what they are read from, and the messages about those that are wrong.

use std::str::FromStr;

use trainer::image::{Background, FrameLayout, FrameLayoutError, PreprocessError};

/// The color that what is transparent is blended onto.
pub fn background(text: &str) -> Result<Background, String> {
    text.parse().map_err(|error: PreprocessError| error.to_string())
}

/// What the bytes of a camera's frame are.
pub fn frame(text: &str) -> Result<FrameLayout, String> {
    text.parse().map_err(|error: FrameLayoutError| error.to_string())
}

/// A number of bytes, as it is or in units of 1,024 and its powers: `16K`, which may be written `16KB` or `16KiB`. `examples` are for
/// the message.
pub fn bytes<N: TryFrom<u64>>(text: &str, examples: &str) -> Result<N, String> {
    let units = [("K", 10), ("M", 20), ("G", 30), ("T", 40)];
    let upper = text.to_ascii_uppercase();
    let in_unit = |unit: &str| {
        ["", "B", "IB"].iter().find_map(|end| upper.strip_suffix(end).and_then(|text| text.strip_suffix(unit)))
    };
    let (digits, shift) =
        units.iter().find_map(|&(unit, shift)| Some((in_unit(unit)?, shift))).unwrap_or((upper.as_str(), 0));
    let number = digits.parse::<u64>().ok();
    let bytes = number.and_then(|number| number.checked_mul(1 << shift)).and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| format!("it must be a number of bytes, such as {examples}"))
}

/// A number over 0.
pub fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&count| count > 0).ok_or_else(|| "it must be a number, at least 1".to_owned())
}

/// A whole number; whether it is in range is for whoever uses it.
pub fn whole<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| match is_negative(text) {
        true => "it must be 0 or more".to_owned(),
        false => "it must be a whole number, such as 48".to_owned(),
    })
}

/// A number of what there is one of at least; that it is not 0 is for whoever uses it.
pub fn count(text: &str) -> Result<usize, String> {
    if is_negative(text) { Err("it must be at least 1".to_owned()) } else { whole(text) }
}

fn is_negative(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(|number| number < 0.0)
}

/// Any number; whether it is in range is for whoever uses it.
pub fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| "it must be a number, such as 0.001".to_owned())
}

/// A share under 1, and large enough to fall on an image of some set.
pub fn fraction(text: &str) -> Result<f64, String> {
    let fraction = number(text)?;
    if (1e-6..1.0).contains(&fraction) {
        Ok(fraction)
    } else {
        Err("it must be over 0 (0.000001 at least) and under 1".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bytes_or_end_in_a_letter() {
        let cases = [
            ("0", 0),
            ("65536", 65_536),
            ("64K", 65_536),
            ("64k", 65_536),
            ("1M", 1 << 20),
            ("4g", 4 << 30),
            ("1T", 1 << 40),
            ("16KB", 16 << 10),
            ("16KiB", 16 << 10),
            ("1mib", 1 << 20),
        ];
        for (text, expected) in cases {
            assert_eq!(bytes::<u64>(text, ""), Ok(expected));
        }
        for wrong in [
            "",
            "K",
            "-1K",
            "KB",
            "64B",
            "64iB",
            "64KBB",
            "1.5M",
            "5G",
            "99999999999999999999",
            "99999999999999999M",
            "17000000T",
        ] {
            let expected = Err("it must be a number of bytes, such as 64K".to_owned());
            assert_eq!(bytes::<u32>(wrong, "64K"), expected, "{wrong}");
        }
    }
}
