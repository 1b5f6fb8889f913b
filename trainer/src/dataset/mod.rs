//! Images and labels: read from files, fetched, or drawn; split for validation.
//!
//! | module | what it holds |
//! |---|---|
//! | `images`, `shape` | labeled images, and a data set of three parts of them |
//! | [`batch`] | from images to tensors |
//! | [`class_names`], `class_list` | which names look the same; the list of them beside IDX files |
//! | [`idx`] | the IDX file format, plain and gzip |
//! | [`idx_files`], `idx_set` | which IDX files a directory holds; their classes, named and checked |
//! | [`fashion_mnist`] | which files the data set is, and their hashes |
//! | `pixels` | the pixels of all images, in memory or in a file |
//! | [`folder`] | one's own images: a folder per class |
//! | [`duplicates`] | the same image in two parts, or under two classes |
//! | [`near_duplicates`] | images that are nearly the same |
//! | [`request`] | what is wanted, and what was found |
//! | [`source`] | where to look, in which order: [`load`] |
//! | [`download`] | fetching files whole and checked, or not at all |
//! | [`garments`] | the built-in set, drawn from a seed |
//! | [`split`] | the stratified validation split of IDX files and named sets |
//! | [`content`], [`held_out`] | the split of folders: a hash of each image decides for it alone |
//! | [`manifest`] | what became of each image in a training |
//! | [`unknown`] | images of other things, which are of no class |
//! | [`tested`] | which images a model is tested on, and whether its training saw them |

pub mod batch;
pub mod class_list;
pub mod class_names;
pub mod content;
pub mod download;
pub mod duplicates;
mod error;
pub mod fashion_mnist;
mod first_few;
pub mod folder;
pub mod garments;
pub mod held_out;
pub mod idx;
pub mod idx_files;
mod idx_set;
mod images;
pub mod manifest;
pub mod near_duplicates;
mod pixels;
pub mod request;
mod shape;
pub mod source;
pub mod split;
pub mod tested;
pub mod unknown;

pub use error::DataError;
pub use images::{Dataset, Images};
pub use pixels::Storage;
pub use request::{DatasetChoice, Environment, Loaded, Origin, Request, Testing};
pub use shape::ImageShape;
pub use source::{holds_idx_files, load};
