//! What a figure is, and its files.

use crate::report::drawing::Drawing;
use crate::report::{ReportError, palette, raster};
use crate::support::text::thousands;

/// Which figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Training images with the names of their classes.
    Samples,
    /// Training images as the network sees them.
    Batch,
    /// Images of each class.
    ClassCounts,
    /// Loss and accuracy by epoch.
    Curves,
    /// The learning rate of each step.
    LearningRate,
    /// Which classes are taken for which.
    Confusion,
    /// Precision, recall and F1 of each class.
    Classes,
    /// The wrong answers given with the most confidence.
    Mistakes,
    /// Precision over recall, of all classes and of the worst.
    PrecisionRecall,
    /// Accuracy of the most confident answers.
    Coverage,
    /// How often answers of a probability are right.
    Reliability,
    /// Images whose labels are doubtful.
    Mislabeled,
    /// The network as a graph.
    Network,
    /// Weights of the first layer.
    Filters,
    /// What each layer loses in quantization.
    QuantizationError,
}

impl Kind {
    /// All of them, in the order of a report.
    pub const ALL: [Self; 15] = [
        Self::Samples,
        Self::Batch,
        Self::ClassCounts,
        Self::Curves,
        Self::LearningRate,
        Self::Confusion,
        Self::Classes,
        Self::Mistakes,
        Self::PrecisionRecall,
        Self::Coverage,
        Self::Reliability,
        Self::Mislabeled,
        Self::Network,
        Self::Filters,
        Self::QuantizationError,
    ];

    /// Its name, also that of its file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Samples => "samples",
            Self::Batch => "batch",
            Self::ClassCounts => "class-counts",
            Self::Curves => "curves",
            Self::LearningRate => "learning-rate",
            Self::Confusion => "confusion",
            Self::Classes => "classes",
            Self::Mistakes => "mistakes",
            Self::PrecisionRecall => "precision-recall",
            Self::Coverage => "coverage",
            Self::Reliability => "reliability",
            Self::Mislabeled => "mislabeled",
            Self::Network => "network",
            Self::Filters => "filters",
            Self::QuantizationError => "quantization-error",
        }
    }
}

/// A figure that is drawn.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Which one.
    pub kind: Kind,
    /// What it shows.
    pub title: String,
    /// The run that it is about; none where it shows several.
    pub run: Option<String>,
    /// How to read it.
    pub caption: String,
    /// The figure itself.
    pub drawing: Drawing,
}

impl Figure {
    pub(super) fn new(kind: Kind, title: impl Into<String>, caption: impl Into<String>, drawing: Drawing) -> Self {
        Self { kind, title: title.into(), run: None, caption: caption.into(), drawing }
    }

    /// An SVG file.
    #[must_use]
    pub fn svg(&self) -> String {
        match &self.run {
            Some(run) => self.drawing.file(&format!("{} – {run}", self.title)),
            None => self.drawing.file(&self.title),
        }
    }

    /// A PNG file, two pixels for each of the SVG's.
    ///
    /// # Errors
    /// [`ReportError::Raster`].
    pub fn png(&self) -> Result<Vec<u8>, ReportError> {
        raster::png(&self.svg())
    }

    /// For a page that sets the [palette's](palette) variables.
    #[must_use]
    pub fn inline(&self) -> String {
        palette::with_variables(&self.drawing.inline(&self.title))
    }
}

/// The end of a caption where a figure shows fewer classes than there are: those with the `most` of something.
pub(super) fn of_many(shown: usize, classes: usize, most: &str) -> String {
    if shown < classes {
        format!(" Of {} classes, the {shown} with the {most}.", thousands(classes))
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caption_names_which_classes_are_shown_where_not_all_are() {
        assert_eq!(of_many(30, 1010, "most mistakes"), " Of 1,010 classes, the 30 with the most mistakes.");
        assert_eq!(of_many(30, 30, "most mistakes"), "");
    }
}
