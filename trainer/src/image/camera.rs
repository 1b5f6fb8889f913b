//! How the camera is mounted whose frames a model is to see, and what its YUV means.

use std::fmt;

use infer_core::camera::{Rotation, YuvRange};

/// What distinguishes a camera's frames from the images that a model is trained on, which are upright. It is done to frames, on the
/// chip and here; image files are upright already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CameraSetup {
    /// How far a frame is turned to be upright.
    pub rotation: Rotation,
    /// Whether left and right are exchanged in the upright frame.
    pub mirror: bool,
    /// What the values of YUV frames mean.
    pub yuv_range: YuvRange,
}

impl CameraSetup {
    /// The setup whose text has these parts, as [`Display`](fmt::Display) writes them, separated by commas.
    pub(super) fn of_parts(parts: &[&str]) -> Option<Self> {
        let rotations = [Rotation::None, Rotation::Quarter, Rotation::Half, Rotation::ThreeQuarters];
        let setups = rotations.into_iter().flat_map(|rotation| {
            [false, true].into_iter().flat_map(move |mirror| {
                [YuvRange::Full, YuvRange::Limited].map(|yuv_range| Self { rotation, mirror, yuv_range })
            })
        });
        setups.into_iter().find(|setup| setup.parts().eq(parts.iter().copied()))
    }

    fn parts(self) -> impl Iterator<Item = &'static str> {
        let rotation = match self.rotation {
            Rotation::None => None,
            Rotation::Quarter => Some("camera rotation 90"),
            Rotation::Half => Some("camera rotation 180"),
            Rotation::ThreeQuarters => Some("camera rotation 270"),
        };
        let yuv_range = match self.yuv_range {
            YuvRange::Full => None,
            YuvRange::Limited => Some("camera yuv limited"),
        };
        [rotation, self.mirror.then_some("camera mirror"), yuv_range].into_iter().flatten()
    }
}

/// A comma and what was set, for each; nothing where nothing is to be done.
impl fmt::Display for CameraSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts().try_for_each(|part| write!(f, ", {part}"))
    }
}
