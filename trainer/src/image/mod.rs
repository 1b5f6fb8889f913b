//! From an image to a network's input: decode, convert, and the text by which a model file remembers how.
//!
//! | module | what it holds |
//! |---|---|
//! | [`held_out`] | which images the training held out for the test |
//! | [`kind`] | which kind of image a file is, by its first bytes |
//! | [`decode`] | files to an [`Image`], within bounds |
//! | `decoded`, `error` | what comes of that, or why nothing does |
//! | `bmp`, `tiff` | which files of these formats are read |
//! | `ifd`, `orientation` | metadata: which way up the camera was held |
//! | [`background`], `flatten` | 8 bits a channel, what is transparent on a background |
//! | `frame` | files of a camera's frames |
//! | `camera` | how that camera is mounted |
//! | [`convert`] | an [`Image`] to the bytes of an input, as the chip does it |
//! | `mismatch` | where frames and input cannot agree |
//! | [`observe`] | what is worth a word about an input: one flat color, few levels |
//!
//! A model file has how a frame becomes an input [in numbers](infer_core::camera::Preprocessing), and a text with what only the trainer
//! has to know:
//!
//! ```text
//! images = "bytes" | "files" [ ", test " share [ " of " fingerprint ] ]
//! ```
//!
//! The text in `run.json` has both:
//!
//! ```text
//! preprocessing = "bytes 0 to 255 as they are" | conversion [ ", test " share [ " of " fingerprint ] ]
//! conversion    = height "x" width "x" channels " " color ", " resize [ ", background " background ] camera
//! color         = "gray" (1 channel) | "rgb" (3 channels)
//! resize        = "as they are" | "resize stretch" | "resize fit" | "resize crop"
//! background    = "white" | "#rrggbb" | ...; black where there is none
//! camera        = [ ", camera rotation " ( "90" | "180" | "270" ) ] [ ", camera mirror" ] [ ", camera yuv limited" ]
//! ```

pub mod background;
mod bmp;
mod camera;
pub mod convert;
pub mod decode;
mod decoded;
mod error;
mod flatten;
mod frame;
pub mod held_out;
mod ifd;
mod jpeg;
pub mod kind;
mod mismatch;
pub mod observe;
mod orientation;
mod tiff;

use std::fmt;
use std::str::FromStr;

use infer_core::Shape;
use infer_core::camera as frames;
use infer_core::format::Input;
use serde::{Deserialize, Serialize};

use crate::support::text::stored_as_text;

pub use background::Background;
pub use camera::CameraSetup;
pub use decoded::{Decoded, Image, ImageHeader, Transparency};
pub use error::ImageError;
pub use frame::{FrameLayout, FrameLayoutError, MOST_PIXELS, RawFrame};
pub use held_out::HeldOut;
pub use kind::{ImageKind, recognize};
pub use mismatch::Mismatches;
pub use observe::{Flat, FlatCause, Observed, SixteenBit};

/// Sides of an input beyond this are taken for a mistake: 1024x1024 gray is a megabyte of RAM on the chip.
pub const LONGEST_SIDE: u16 = 1024;

/// What a model was trained on, and so what must happen to each image that it sees.
///
/// ```
/// use trainer::image::{Preprocessing, Resize};
///
/// let preprocessing: Preprocessing = "32x32x3 rgb, resize crop, test 0.15 of Zk3x-Q0aB7_d".parse()?;
/// let Preprocessing::Converted { conversion, .. } = preprocessing else { unreachable!() };
/// assert_eq!((conversion.shape().channels, conversion.resize()), (3, Resize::Crop));
/// assert_eq!(preprocessing.test_share(), Some(0.15));
/// assert_eq!(preprocessing.to_string(), "32x32x3 rgb, resize crop, test 0.15 of Zk3x-Q0aB7_d");
/// # Ok::<(), trainer::image::PreprocessError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Preprocessing {
    /// Bytes in the input's own shape, as IDX files and the built-in set hold them.
    #[default]
    Bytes,
    /// Images that were converted.
    Converted {
        /// How.
        conversion: Conversion,
        /// What was held out for the test, where the images came in one folder without a part for it: by it a later test
        /// finds images that were not trained on.
        held_out: Option<HeldOut>,
    },
}

/// The input that images become, and how they get there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversion {
    shape: Shape,
    resize: Resize,
    background: Background,
    camera: CameraSetup,
}

/// How an image of another size becomes an input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resize {
    /// Not at all: it must have the input's size.
    AsTheyAre,
    /// Both sides are scaled, each by its own factor.
    #[default]
    Stretch,
    /// Scaled until the whole image is inside, in the middle of the background.
    Fit,
    /// Scaled until the input is full; what reaches out on two sides is cut off.
    Crop,
}

/// What is wrong with a preprocessing.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum PreprocessError {
    /// Not the text of a preprocessing.
    #[error("preprocessing {text:?} is unknown here; another version of the trainer wrote it")]
    Text {
        /// The text.
        text: String,
    },
    /// A shape that is not written as one.
    #[error("{text:?} is not an input shape; write HEIGHTxWIDTHxCHANNELS, such as 28x28x1 or 32x32x3")]
    ShapeText {
        /// The text.
        text: String,
    },
    /// Not the name of a color, nor six digits.
    #[error("{text:?} is not a color; write black, white, gray, red, green, blue, yellow, cyan, magenta or #rrggbb")]
    Background {
        /// The text.
        text: String,
    },
    /// Neither gray nor RGB.
    #[error("an input of {shape} has {} channels; images have 1 (gray) or 3 (RGB)", .shape.channels)]
    Channels {
        /// The shape.
        shape: Shape,
    },
    /// No pixel, or too many.
    #[error("an input of {shape} has a side that is not 1 to {LONGEST_SIDE}")]
    Side {
        /// The shape.
        shape: Shape,
    },
}

impl Conversion {
    /// To an input of `shape`, on black.
    ///
    /// # Errors
    /// [`PreprocessError::Channels`], [`PreprocessError::Side`].
    pub fn new(shape: Shape, resize: Resize) -> Result<Self, PreprocessError> {
        if !matches!(shape.channels, 1 | 3) {
            return Err(PreprocessError::Channels { shape });
        }
        if [shape.height, shape.width].iter().any(|side| !(1..=LONGEST_SIDE).contains(side)) {
            return Err(PreprocessError::Side { shape });
        }
        Ok(Self { shape, resize, background: Background::BLACK, camera: CameraSetup::default() })
    }

    /// The shape of the input.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// What happens to images of another size.
    #[must_use]
    pub const fn resize(&self) -> Resize {
        self.resize
    }

    /// What shows through where an image is transparent, and around one under [`Resize::Fit`].
    #[must_use]
    pub const fn background(&self) -> Background {
        self.background
    }

    /// The same on another background.
    #[must_use]
    pub const fn with_background(self, background: Background) -> Self {
        Self { background, ..self }
    }

    /// What is done to a camera's frames besides.
    #[must_use]
    pub const fn camera(&self) -> CameraSetup {
        self.camera
    }

    /// The same for another camera.
    #[must_use]
    pub const fn with_camera(self, camera: CameraSetup) -> Self {
        Self { camera, ..self }
    }

    /// What a camera's frames become, as a model file has it.
    #[must_use]
    pub fn of_frames(&self) -> frames::Preprocessing {
        let CameraSetup { rotation, mirror, yuv_range } = self.camera;
        frames::Preprocessing { rotation, mirror, yuv_range, ..self.of_images() }
    }

    /// What images become that are upright already.
    pub(crate) fn of_images(&self) -> frames::Preprocessing {
        let resize = match self.resize {
            Resize::AsTheyAre => frames::Resize::None,
            Resize::Stretch => frames::Resize::Stretch,
            Resize::Fit => frames::Resize::Fit,
            Resize::Crop => frames::Resize::Crop,
        };
        frames::Preprocessing { resize, background: self.background.rgb(), ..frames::Preprocessing::AS_IT_IS }
    }

    /// The same input, reached in another way.
    #[must_use]
    pub const fn with_resize(self, resize: Resize) -> Self {
        Self { resize, ..self }
    }
}

impl Preprocessing {
    /// That of a model file, by the text of its [metadata](infer_core::Metadata::images) and its input.
    ///
    /// # Errors
    /// [`PreprocessError::Text`], as [`Conversion::new`].
    pub fn of_model(images: &str, input: &Input) -> Result<Self, PreprocessError> {
        let frames::Preprocessing { resize, rotation, mirror, yuv_range, background } = input.preprocessing;
        let unknown = || PreprocessError::Text { text: images.to_owned() };
        let held_out = match images.strip_prefix(FILES).map(|test| test.strip_prefix(", test ")) {
            None if images == BYTES_OF_SET && input.preprocessing == frames::Preprocessing::AS_IT_IS => {
                return Ok(Self::Bytes);
            }
            None if images == BYTES_OF_SET => None,
            None => return Err(unknown()),
            Some(None) if images == FILES => None,
            Some(None) => return Err(unknown()),
            Some(Some(held_out)) => Some(held_out.parse().map_err(|()| unknown())?),
        };
        let resize = match resize {
            frames::Resize::None => Resize::AsTheyAre,
            frames::Resize::Stretch => Resize::Stretch,
            frames::Resize::Fit => Resize::Fit,
            frames::Resize::Crop => Resize::Crop,
        };
        let conversion = Conversion::new(input.shape, resize)?
            .with_background(Background::of_rgb(background))
            .with_camera(CameraSetup { rotation, mirror, yuv_range });
        Ok(Self::Converted { conversion, held_out })
    }

    /// What a model file says of how a frame becomes an input.
    #[must_use]
    pub fn of_frames(&self) -> frames::Preprocessing {
        match self {
            Self::Bytes => frames::Preprocessing::AS_IT_IS,
            Self::Converted { conversion, .. } => conversion.of_frames(),
        }
    }

    /// What a model file says besides: the text of its [metadata](infer_core::Metadata::images).
    #[must_use]
    pub fn images(&self) -> String {
        match self {
            Self::Bytes => BYTES_OF_SET.to_owned(),
            Self::Converted { held_out: None, .. } => FILES.to_owned(),
            Self::Converted { held_out: Some(held_out), .. } => format!("{FILES}, test {held_out}"),
        }
    }

    /// What happens to an image on its way into an input of this shape.
    ///
    /// # Errors
    /// [`PreprocessError::Channels`], [`PreprocessError::Side`] where no image can become such an input.
    pub fn conversion(&self, input: Shape) -> Result<Conversion, PreprocessError> {
        match self {
            Self::Bytes => Conversion::new(input, Resize::AsTheyAre),
            Self::Converted { conversion, .. } => Ok(*conversion),
        }
    }

    /// What was held out for the test, where the images came without a part for it.
    #[must_use]
    pub const fn held_out(&self) -> Option<HeldOut> {
        match self {
            Self::Bytes => None,
            Self::Converted { held_out, .. } => *held_out,
        }
    }

    /// The share that was held out.
    #[must_use]
    pub fn test_share(&self) -> Option<f64> {
        self.held_out().map(|held_out| held_out.share)
    }
}

const BYTES: &str = "bytes 0 to 255 as they are";

/// In a model file, of images that were bytes of a set.
const BYTES_OF_SET: &str = "bytes";
/// In a model file, of images that were files.
const FILES: &str = "files";

impl fmt::Display for Preprocessing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes => f.write_str(BYTES),
            Self::Converted { conversion, held_out: None } => conversion.fmt(f),
            Self::Converted { conversion, held_out: Some(held_out) } => write!(f, "{conversion}, test {held_out}"),
        }
    }
}

impl FromStr for Preprocessing {
    type Err = PreprocessError;

    fn from_str(text: &str) -> Result<Self, PreprocessError> {
        if text == BYTES {
            return Ok(Self::Bytes);
        }
        let unknown = || PreprocessError::Text { text: text.to_owned() };
        let (conversion, held_out) = match text.split_once(", test ") {
            None => (text, None),
            Some((conversion, held_out)) => (conversion, Some(held_out.parse().map_err(|()| unknown())?)),
        };
        let parts: Vec<&str> = conversion.split(", ").collect();
        let [input, resize, rest @ ..] = &parts[..] else { return Err(unknown()) };
        let background = rest.first().and_then(|first| first.strip_prefix("background "));
        let rest = if background.is_some() { &rest[1..] } else { rest };
        let background = background.map_or(Ok(Background::BLACK), |color| color.parse().map_err(|_| unknown()))?;
        let (shape, color) = input.split_once(' ').ok_or_else(unknown)?;
        let conversion = Conversion::new(parse_shape(shape).map_err(|_| unknown())?, resize.parse()?)?
            .with_background(background)
            .with_camera(CameraSetup::of_parts(rest).ok_or_else(unknown)?);
        if color != color_name(conversion.shape) {
            return Err(unknown());
        }
        Ok(Self::Converted { conversion, held_out })
    }
}

stored_as_text!(Preprocessing);

impl fmt::Display for Conversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, {}", self.shape, color_name(self.shape), self.resize)?;
        // As it was written before there was a choice.
        if self.background != Background::BLACK {
            write!(f, ", background {}", self.background)?;
        }
        self.camera.fmt(f)
    }
}

fn color_name(shape: Shape) -> &'static str {
    if shape.channels == 1 { "gray" } else { "rgb" }
}

const RESIZES: [(&str, Resize); 4] = [
    ("as they are", Resize::AsTheyAre),
    ("resize stretch", Resize::Stretch),
    ("resize fit", Resize::Fit),
    ("resize crop", Resize::Crop),
];

impl fmt::Display for Resize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(RESIZES.iter().find(|(_, resize)| resize == self).map_or("", |(text, _)| text))
    }
}

impl FromStr for Resize {
    type Err = PreprocessError;

    fn from_str(text: &str) -> Result<Self, PreprocessError> {
        match RESIZES.iter().find(|(name, _)| *name == text) {
            Some((_, resize)) => Ok(*resize),
            None => Err(PreprocessError::Text { text: text.to_owned() }),
        }
    }
}

/// Reads `28x28x1`: height, width, channels.
///
/// # Errors
/// [`PreprocessError::ShapeText`].
pub fn parse_shape(text: &str) -> Result<Shape, PreprocessError> {
    // Digits alone, as `u16` would also take a sign.
    let number = |text: &str| text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let numbers: Option<Vec<u16>> = text.split('x').map(number).collect();
    match numbers.as_deref() {
        Some(&[height, width, channels]) => Ok(Shape { height, width, channels }),
        _ => Err(PreprocessError::ShapeText { text: text.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dataset::batch::PIXEL_CODES;

    fn shape(height: u16, width: u16, channels: u16) -> Shape {
        Shape { height, width, channels }
    }

    #[test]
    fn the_text_of_older_files_stays_what_it_was() {
        assert_eq!(Preprocessing::default().to_string(), "bytes 0 to 255 as they are");
        assert_eq!("bytes 0 to 255 as they are".parse::<Preprocessing>().unwrap(), Preprocessing::Bytes);
        let input = shape(28, 28, 1);
        let conversion = Preprocessing::Bytes.conversion(input).unwrap();
        assert_eq!((conversion.shape(), conversion.resize()), (input, Resize::AsTheyAre));
    }

    #[test]
    fn other_texts_are_refused_and_quoted() {
        for text in [
            "",
            "as they are",
            "28x28x1",
            "28x28x1 gray",
            "28x28x1 rgb, resize crop",
            "28x28x1 gray, resize zoom",
            "28x+28x1 gray, resize crop",
            "28x28 gray, resize crop",
            "28x28x1 gray, resize crop, test x",
            "28x28x1 gray, resize crop, test 1.5",
            "28x28x1 gray, resize crop, test 0.15 of nothing",
            "28x28x1 gray, resize crop ",
            "28x28x1 gray, resize crop, background",
            "28x28x1 gray, resize crop, background pink",
            "28x28x1 gray, resize crop, test 0.5, background white",
            "28x28x1 gray, resize crop, camera",
            "28x28x1 gray, resize crop, camera rotation 0",
            "28x28x1 gray, resize crop, camera mirror, camera rotation 90",
            "28x28x1 gray, resize crop, camera mirror, background white",
        ] {
            let message = text.parse::<Preprocessing>().unwrap_err().to_string();
            assert!(message.contains("is unknown here; another version"), "{text:?}: {message}");
        }
        let message = "28x28x2 rgb, resize crop".parse::<Preprocessing>().unwrap_err().to_string();
        assert_eq!(message, "an input of 28x28x2 has 2 channels; images have 1 (gray) or 3 (RGB)");
        let message = "0x28x1 gray, resize crop".parse::<Preprocessing>().unwrap_err().to_string();
        assert_eq!(message, "an input of 0x28x1 has a side that is not 1 to 1024");
    }

    #[test]
    fn a_model_file_has_what_becomes_of_frames_and_of_other_texts_nothing() {
        let mut input = Input::new(shape(32, 32, 3), PIXEL_CODES);
        let of_model =
            |images, input: &Input| Preprocessing::of_model(images, input).map_err(|error| error.to_string());
        assert_eq!(of_model("files", &input).unwrap().to_string(), "32x32x3 rgb, as they are");
        for images in ["", "file", "files, test", "files, test 0.15 of", "bytes, test 0.15", "filesystem"] {
            let message = of_model(images, &input).unwrap_err();
            assert!(message.contains("is unknown here; another version"), "{images:?}: {message}");
        }
        input.preprocessing.mirror = true;
        for images in ["files", "bytes"] {
            assert_eq!(of_model(images, &input).unwrap().to_string(), "32x32x3 rgb, as they are, camera mirror");
        }
    }

    proptest! {
        #[test]
        fn every_preprocessing_survives_the_way_into_a_file_and_back(
            height in 1..=LONGEST_SIDE,
            width in 1..=LONGEST_SIDE,
            channels in prop::sample::select(vec![1, 3]),
            resize in prop::sample::select(RESIZES.map(|(_, resize)| resize).to_vec()),
            share in prop::option::of(0.001f64..0.999),
            hash in prop::option::of(any::<[u8; 32]>()),
            background in "black|white|gray|green|#[0-9a-f]{6}",
            camera in (0..4_usize, any::<bool>(), any::<bool>()),
        ) {
            use frames::{Rotation, YuvRange};
            let (turns, mirror, is_limited) = camera;
            let rotation = [Rotation::None, Rotation::Quarter, Rotation::Half, Rotation::ThreeQuarters][turns];
            let yuv_range = if is_limited { YuvRange::Limited } else { YuvRange::Full };
            let camera = CameraSetup { rotation, mirror, yuv_range };
            let conversion = Conversion::new(shape(height, width, channels), resize).unwrap();
            let conversion = conversion.with_background(background.parse().unwrap()).with_camera(camera);
            let fingerprint = hash.map(|hash| held_out::Fingerprint::of_hash(&hash));
            let held_out = share.map(|share| HeldOut { share, fingerprint });
            let preprocessing = Preprocessing::Converted { conversion, held_out };
            prop_assert_eq!(preprocessing.to_string().parse::<Preprocessing>().unwrap(), preprocessing);
            let mut input = Input::new(shape(height, width, channels), PIXEL_CODES);
            input.preprocessing = preprocessing.of_frames();
            let images = preprocessing.images();
            prop_assert_eq!(Preprocessing::of_model(&images, &input).unwrap(), preprocessing);
            let json = serde_json::to_string(&preprocessing).unwrap();
            prop_assert_eq!(serde_json::from_str::<Preprocessing>(&json).unwrap(), preprocessing);
        }
    }
}
