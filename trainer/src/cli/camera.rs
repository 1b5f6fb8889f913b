//! The flags that say how a camera's frames differ from the images that a model is trained on.

use infer_core::camera::{Rotation, YuvRange};
use trainer::image::{CameraSetup, Conversion};

/// How the camera is mounted, and what its YUV means.
#[derive(Clone, clap::Args)]
pub struct CameraFlags {
    /// Degrees clockwise by which a frame of the camera has to be turned to be upright [default: 0]
    #[arg(long, value_enum, value_name = "DEGREES", hide_possible_values = true)]
    camera_rotation: Option<Degrees>,
    /// In the camera's upright frames left and right are exchanged, as with a front camera
    #[arg(long)]
    camera_mirror: bool,
    /// Range of the values in YUYV and UYVY frames: full (Y from 0 to 255) or limited (Y from 16 to 235) [default: full]
    #[arg(long, value_enum, value_name = "RANGE", hide_possible_values = true)]
    camera_yuv: Option<Range>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Degrees {
    #[value(name = "0")]
    None,
    #[value(name = "90")]
    Quarter,
    #[value(name = "180")]
    Half,
    #[value(name = "270")]
    ThreeQuarters,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Range {
    Full,
    Limited,
}

impl CameraFlags {
    /// Whether one is given.
    pub const fn is_given(&self) -> bool {
        self.camera_rotation.is_some() || self.camera_mirror || self.camera_yuv.is_some()
    }

    /// The conversion of frames of that camera; what is not given stays as it is.
    pub fn on(&self, conversion: Conversion) -> Conversion {
        let own = conversion.camera();
        let rotation = self.camera_rotation.map_or(own.rotation, |degrees| match degrees {
            Degrees::None => Rotation::None,
            Degrees::Quarter => Rotation::Quarter,
            Degrees::Half => Rotation::Half,
            Degrees::ThreeQuarters => Rotation::ThreeQuarters,
        });
        let yuv_range = self.camera_yuv.map_or(own.yuv_range, |range| match range {
            Range::Full => YuvRange::Full,
            Range::Limited => YuvRange::Limited,
        });
        conversion.with_camera(CameraSetup { rotation, mirror: own.mirror || self.camera_mirror, yuv_range })
    }
}
