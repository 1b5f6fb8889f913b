//! What one file, folder or network may ask of the host: one constant each, in one place.
//!
//! A file is compared with its limit before it is read, and a count before memory is taken for it. `docs/security.md` has the
//! same table for users.

/// Classes of a data set, of a model file and of a run, at most. ImageNet's usual 1,000 are a quarter of it.
pub const MOST_CLASSES: usize = 4096;

/// Bytes of a name at most: of a class, a data set, a network. Folders have the same limit on the usual file systems.
pub const LONGEST_NAME: usize = 255;

/// Multiply-accumulates of one inference at most: seconds of one core for an image. A network for a microcontroller has a
/// thousandth of it.
pub const MOST_MACS: u64 = 10_000_000_000;

/// Bytes of a model file at most: four times what the most weights take that can be trained.
pub const MODEL_BYTES: u64 = 256 << 20;

/// Bytes of an arena on the host at most: no network that can be trained needs as many.
pub const ARENA_BYTES: usize = 256 << 20;

/// Bytes of `run.json` at most: the most names, each of its letters escaped, twice over.
pub const RUN_JSON_BYTES: u64 = 16 << 20;

/// Bytes of `metrics.json` at most.
pub const METRICS_BYTES: u64 = 1 << 20;

/// Bytes of `history.csv` at most.
pub const HISTORY_BYTES: u64 = 128 << 20;

/// Bytes of `answers.csv` at most: some millions of test images.
pub const ANSWERS_BYTES: u64 = 256 << 20;

/// Bytes of `report.json` at most.
pub const REPORT_JSON_BYTES: u64 = 16 << 20;

/// Bytes of a network or a recipe in TOML at most.
pub const TOML_BYTES: u64 = 1 << 20;

/// Bytes of `classes.txt` at most: the most names, each of the longest, twice over.
pub const CLASSES_TXT_BYTES: u64 = 2 << 20;
