//! The tables of a TFLite file that are read, as `schema.fbs` of TensorFlow Lite (version 3) numbers their fields.
//!
//! Fields that nothing here needs are left out; a reader of FlatBuffers skips what it does not know. Every offset is
//! verified before the first one is followed ([`read`]), which is what the `unsafe` below rests on.
#![allow(unsafe_code, reason = "the flatbuffers crate follows offsets without checks, once they are verified")]

use flatbuffers::{
    Follow, ForwardsUOffset, InvalidFlatbuffer, Table, VOffsetT, Vector, Verifiable, Verifier, VerifierOptions,
};

/// Where a table has the offset of its field number `index`: behind two lengths.
const fn slot(index: VOffsetT) -> VOffsetT {
    4 + 2 * index
}

type Text<'a> = ForwardsUOffset<&'a str>;
type Numbers<'a, T> = ForwardsUOffset<Vector<'a, T>>;
type Tables<'a, T> = ForwardsUOffset<Vector<'a, ForwardsUOffset<T>>>;

/// Makes the type of a table, its verifier and a function for each field, `None` where the file leaves it out.
macro_rules! table {
    ($(#[$doc:meta])* $Name:ident<$life:lifetime> { $($index:literal $field:ident: $Type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $Name<$life>(Table<$life>);

        impl<$life> Follow<$life> for $Name<$life> {
            type Inner = Self;

            unsafe fn follow(bytes: &$life [u8], place: usize) -> Self {
                // SAFETY: the caller's, that a table is there.
                Self(unsafe { Table::new(bytes, place) })
            }
        }

        impl<$life> Verifiable for $Name<$life> {
            fn run_verifier(verifier: &mut Verifier<'_, '_>, place: usize) -> Result<(), InvalidFlatbuffer> {
                verifier.visit_table(place)?$(.visit_field::<$Type>(stringify!($field), slot($index), false)?)*.finish();
                Ok(())
            }
        }

        impl<$life> $Name<$life> {
            $(pub fn $field(&self) -> Option<<$Type as Follow<$life>>::Inner> {
                // SAFETY: a field of this type, or none, is there: `run_verifier` looked.
                unsafe { self.0.get::<$Type>(slot($index), None) }
            })*
        }
    };
}

table! {
    /// A whole file.
    Model<'a> {
        1 operator_codes: Tables<'a, OperatorCode<'a>>,
        2 subgraphs: Tables<'a, SubGraph<'a>>,
        4 buffers: Tables<'a, Buffer<'a>>,
    }
}

table! {
    /// An operator that the file uses.
    OperatorCode<'a> {
        0 deprecated_builtin_code: i8,
        1 custom_code: Text<'a>,
        3 builtin_code: i32,
    }
}

table! {
    /// A network; further ones are the branches and bodies of control flow.
    SubGraph<'a> {
        0 tensors: Tables<'a, Tensor<'a>>,
        1 inputs: Numbers<'a, i32>,
        2 outputs: Numbers<'a, i32>,
        3 operators: Tables<'a, Operator<'a>>,
    }
}

table! {
    /// A tensor.
    Tensor<'a> {
        0 shape: Numbers<'a, i32>,
        1 kind: i8,
        2 buffer: u32,
        3 name: Text<'a>,
        4 quantization: ForwardsUOffset<QuantizationParameters<'a>>,
        7 shape_signature: Numbers<'a, i32>,
    }
}

table! {
    /// What codes mean.
    QuantizationParameters<'a> {
        2 scale: Numbers<'a, f32>,
        3 zero_point: Numbers<'a, i64>,
        6 quantized_dimension: i32,
    }
}

table! {
    /// The bytes of a constant.
    Buffer<'a> {
        0 data: Numbers<'a, u8>,
        1 offset: u64,
        2 size: u64,
    }
}

table! {
    /// Options of CONV_2D.
    Conv2DOptions<'a> {
        0 padding: i8,
        1 stride_w: i32,
        2 stride_h: i32,
        3 activation: i8,
        4 dilation_w: i32,
        5 dilation_h: i32,
    }
}

table! {
    /// Options of DEPTHWISE_CONV_2D.
    DepthwiseConv2DOptions<'a> {
        0 padding: i8,
        1 stride_w: i32,
        2 stride_h: i32,
        4 activation: i8,
        5 dilation_w: i32,
        6 dilation_h: i32,
    }
}

table! {
    /// Options of AVERAGE_POOL_2D and MAX_POOL_2D.
    Pool2DOptions<'a> {
        0 padding: i8,
        1 stride_w: i32,
        2 stride_h: i32,
        3 filter_width: i32,
        4 filter_height: i32,
        5 activation: i8,
    }
}

table! {
    /// Options of FULLY_CONNECTED.
    FullyConnectedOptions<'a> {
        0 activation: i8,
        1 weights_format: i8,
    }
}

table! {
    /// Options of SOFTMAX.
    SoftmaxOptions<'a> {
        0 beta: f32,
    }
}

table! {
    /// Options of ADD.
    AddOptions<'a> {
        0 activation: i8,
    }
}

/// An operator.
#[derive(Clone, Copy)]
pub struct Operator<'a>(Table<'a>);

/// The options of an operator, of those that are read.
#[derive(Clone, Copy)]
pub enum Options<'a> {
    /// Of CONV_2D.
    Conv2D(Conv2DOptions<'a>),
    /// Of DEPTHWISE_CONV_2D.
    DepthwiseConv2D(DepthwiseConv2DOptions<'a>),
    /// Of the pools.
    Pool2D(Pool2DOptions<'a>),
    /// Of FULLY_CONNECTED.
    FullyConnected(FullyConnectedOptions<'a>),
    /// Of SOFTMAX.
    Softmax(SoftmaxOptions<'a>),
    /// Of ADD.
    Add(AddOptions<'a>),
    /// None, or those of another operator.
    Others,
}

/// Numbers of the union's members, as the schema has them.
const CONV_2D: u8 = 1;
const DEPTHWISE_CONV_2D: u8 = 2;
const POOL_2D: u8 = 5;
const FULLY_CONNECTED: u8 = 8;
const SOFTMAX: u8 = 9;
const ADD: u8 = 11;

impl<'a> Follow<'a> for Operator<'a> {
    type Inner = Self;

    unsafe fn follow(bytes: &'a [u8], place: usize) -> Self {
        // SAFETY: the caller's, that a table is there.
        Self(unsafe { Table::new(bytes, place) })
    }
}

impl<'a> Verifiable for Operator<'a> {
    fn run_verifier(verifier: &mut Verifier<'_, '_>, place: usize) -> Result<(), InvalidFlatbuffer> {
        verifier
            .visit_table(place)?
            .visit_field::<u32>("opcode_index", slot(0), false)?
            .visit_field::<Numbers<'a, i32>>("inputs", slot(1), false)?
            .visit_field::<Numbers<'a, i32>>("outputs", slot(2), false)?
            .visit_union::<u8, _>(
                "builtin_options_type",
                slot(3),
                "builtin_options",
                slot(4),
                false,
                |kind, verifier, place| {
                    match kind {
                        CONV_2D => {
                            verifier.verify_union_variant::<ForwardsUOffset<Conv2DOptions<'a>>>("Conv2DOptions", place)
                        }
                        DEPTHWISE_CONV_2D => verifier
                            .verify_union_variant::<ForwardsUOffset<DepthwiseConv2DOptions<'a>>>(
                                "DepthwiseConv2DOptions",
                                place,
                            ),
                        POOL_2D => {
                            verifier.verify_union_variant::<ForwardsUOffset<Pool2DOptions<'a>>>("Pool2DOptions", place)
                        }
                        FULLY_CONNECTED => verifier.verify_union_variant::<ForwardsUOffset<FullyConnectedOptions<'a>>>(
                            "FullyConnectedOptions",
                            place,
                        ),
                        SOFTMAX => verifier
                            .verify_union_variant::<ForwardsUOffset<SoftmaxOptions<'a>>>("SoftmaxOptions", place),
                        ADD => verifier.verify_union_variant::<ForwardsUOffset<AddOptions<'a>>>("AddOptions", place),
                        // Never followed.
                        _ => Ok(()),
                    }
                },
            )?
            .finish();
        Ok(())
    }
}

impl<'a> Operator<'a> {
    /// Which of the model's operator codes it is.
    pub fn opcode_index(&self) -> u32 {
        // SAFETY: verified to be of this type where it is there.
        unsafe { self.0.get::<u32>(slot(0), None) }.unwrap_or(0)
    }

    /// The tensors that it reads, -1 where one is left out.
    pub fn inputs(&self) -> Vec<i32> {
        // SAFETY: verified to be of this type where it is there.
        unsafe { self.0.get::<Numbers<'a, i32>>(slot(1), None) }.map_or_else(Vec::new, |inputs| inputs.iter().collect())
    }

    /// The tensors that it writes.
    pub fn outputs(&self) -> Vec<i32> {
        // SAFETY: verified to be of this type where it is there.
        unsafe { self.0.get::<Numbers<'a, i32>>(slot(2), None) }
            .map_or_else(Vec::new, |outputs| outputs.iter().collect())
    }

    /// Its options.
    pub fn options(&self) -> Options<'a> {
        macro_rules! options {
            ($Type:ident, $Variant:ident) => {
                // SAFETY: the kind says that it is a table of this type, and `run_verifier` has looked.
                unsafe { self.0.get::<ForwardsUOffset<$Type<'a>>>(slot(4), None) }
                    .map_or(Options::Others, Options::$Variant)
            };
        }
        // SAFETY: verified to be of this type where it is there.
        match unsafe { self.0.get::<u8>(slot(3), None) }.unwrap_or(0) {
            CONV_2D => options!(Conv2DOptions, Conv2D),
            DEPTHWISE_CONV_2D => options!(DepthwiseConv2DOptions, DepthwiseConv2D),
            POOL_2D => options!(Pool2DOptions, Pool2D),
            FULLY_CONNECTED => options!(FullyConnectedOptions, FullyConnected),
            SOFTMAX => options!(SoftmaxOptions, Softmax),
            ADD => options!(AddOptions, Add),
            _ => Options::Others,
        }
    }
}

/// What a TFLite file has at its fifth byte.
pub const IDENTIFIER: &[u8; 4] = b"TFL3";

/// The tables of a file, each offset in it verified: in bounds, aligned, of no cycles.
///
/// # Errors
/// What is wrong with it first.
pub fn read(bytes: &[u8]) -> Result<Model<'_>, InvalidFlatbuffer> {
    let options = VerifierOptions {
        max_depth: 16,
        max_tables: 200_000,
        // Vectors may be shared by any number of tables; each time counts.
        max_apparent_size: 1 << 30,
        ignore_missing_null_terminator: true,
    };
    flatbuffers::root_with_opts::<Model<'_>>(&options, bytes)
}
