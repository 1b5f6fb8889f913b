//! `--calibration`, as subcommands take it.

use trainer::quantize::Method;

/// A calibration method, or all methods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum CalibrationName {
    /// The method with the lowest loss on the validation images
    #[default]
    Auto,
    /// From the lowest value to the highest
    Range,
    /// All values but one in ten thousand at each end
    Percentile,
    /// The least squared error
    Error,
}

impl CalibrationName {
    /// The methods to choose from.
    pub fn methods(self) -> &'static [Method] {
        match self {
            Self::Auto => &Method::ALL,
            Self::Range => &[Method::Range],
            Self::Percentile => &[Method::Percentile],
            Self::Error => &[Method::Error],
        }
    }
}
