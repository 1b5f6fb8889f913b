//! A project that runs a model on a chip: everything that a `cargo build` needs but public crates.
//!
//! | module | what it holds |
//! |---|---|
//! | [`project`] | a model on its way onto a chip, and what is known of it |
//! | [`infer_core`] | where the project has infer-core from |
//! | [`name`] | the name of its package |
//! | [`stub_frame`] | the same as a frame of the camera |
//! | [`room`] | whether model, log and test image fit on the chip |
//! | [`templates`] | its files, from `trainer/templates/firmware` |
//! | [`directory`] | a directory that appears whole or not at all |

pub mod directory;
pub mod infer_core;
pub mod name;
pub mod project;
pub mod room;
pub mod stub_frame;
pub mod templates;

pub use directory::{DirectoryError, ProjectFile};
pub use infer_core::InferCore;
pub use name::package_name;
pub use project::{Answer, Facts, Project};
pub use stub_frame::StubFrame;

impl Project<'_> {
    /// All files of the project.
    ///
    /// # Errors
    /// [`infer_core::Error`](::infer_core::Error) where infer-core refuses the model.
    pub fn files(&self) -> Result<Vec<ProjectFile>, ::infer_core::Error> {
        let facts = self.facts()?;
        let mut files = templates::render(self, &facts, &self.answer()?);
        let frame = StubFrame::of(&self.image.bytes, facts.input.shape, &facts.input.preprocessing);
        files.push(("model.bin".to_owned(), self.model.to_vec()));
        files.push(("image.bin".to_owned(), frame.map_or_else(|| self.image.bytes.clone(), |frame| frame.bytes)));
        if self.infer_core == InferCore::Carried {
            let carried = infer_core::carried().into_iter();
            files.extend(carried.map(|(name, bytes)| (format!("infer-core/{name}"), bytes)));
        }
        Ok(files)
    }
}
