//! What the proofs share: the oracle, random models, and the images that there are.
//!
//! | module | what it holds |
//! |---|---|
//! | [`oracle`] | the second, slow, obvious implementation of the arithmetic |
//! | [`decisions`] | the same for answers that are sure enough, and for those of several frames |
//! | [`camera`] | the same for the way from a frame to an input |
//! | [`random_model`] | networks of random shapes and weights, as files |
//! | [`constant`](mod@constant) | networks whose answer is the same whatever the image |
//! | [`layer_names`] | single layers by name, and those that costs are measured with |
//! | [`random_graph`] | the same with branches |
//! | [`without_zeros`] | networks of built-in architectures without zeros for kernels to skip, as files |
//! | [`bit_flips`] | a model file with one bit flipped, for every bit, and what becomes of it |
//! | [`signed`] | model files with a signature after them |
//! | [`miri_models`] | model files small enough for an interpreter |
//! | [`tiny`] | the model file that infer-core's own examples run |
//! | [`images`] | Fashion-MNIST and CIFAR-10 where they are available, garments elsewhere |
//! | [`to_the_file`] | a trained network as a model file, and its logits against the oracle's |
//! | [`garments`](mod@garments) | the built-in set, and a training that nobody watches |
//! | [`image_files`] | image files: as `image` writes them, and kinds that none at hand writes |
//! | [`shapes`] | folders of images, drawn |
//! | [`sheet`] | images side by side, as SVG |
//! | [`idx_files`] | small IDX files, whole and broken |
//! | [`jpeg`] | JPEG files of every geometry, drawn, and the pixels that libjpeg makes of them |
//! | [`run_directory`] | run directories without a training run |

pub mod bit_flips;
pub mod camera;
pub mod constant;
pub mod decisions;
pub mod garments;
pub mod idx_files;
pub mod image_files;
pub mod images;
pub mod jpeg;
pub mod layer_names;
pub mod miri_models;
pub mod oracle;
pub mod random_graph;
pub mod random_model;
pub mod run_directory;
pub mod shapes;
pub mod sheet;
pub mod signed;
pub mod tflite;
pub mod tiny;
pub mod to_the_file;
pub mod without_zeros;
