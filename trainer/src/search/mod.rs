//! Search.
pub mod optuna;
pub mod storage_url;
