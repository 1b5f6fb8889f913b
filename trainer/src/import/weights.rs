//! Weights and biases as a file has them, and what an import does to them.

/// Weights and biases of a layer, a row of weights for each output channel. A row of a convolution is `[rows, columns, channels]`, one
/// of a depthwise convolution `[rows, columns]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Weights {
    /// Real numbers.
    Real {
        /// The rows, one after the other.
        rows: Vec<Vec<f32>>,
        /// One for each row.
        biases: Vec<f32>,
    },
    /// Codes, as the file has them.
    Codes {
        /// The rows.
        rows: Vec<Vec<i8>>,
        /// Real value of one step, of each row.
        scales: Vec<f64>,
        /// In steps of `input scale * row scale`.
        biases: Vec<i64>,
    },
}

impl Weights {
    /// Each output the input of the same number.
    pub(super) fn identity(outputs: usize, has_codes: bool) -> Self {
        let one = |row: usize, column: usize| i8::from(row == column);
        let rows: Vec<Vec<i8>> =
            (0..outputs).map(|row| (0..outputs).map(|column| one(row, column)).collect()).collect();
        match has_codes {
            true => Self::Codes { rows, scales: vec![1.0; outputs], biases: vec![0; outputs] },
            false => Self::Real {
                rows: rows.into_iter().map(|row| row.into_iter().map(f32::from).collect()).collect(),
                biases: vec![0.0; outputs],
            },
        }
    }

    /// Whether sums of all rows compare as they are.
    pub(super) fn has_one_scale(&self) -> bool {
        match self {
            Self::Real { .. } => true,
            Self::Codes { scales, .. } => scales.windows(2).all(|pair| pair[0] == pair[1]),
        }
    }

    /// A row of zeros before the others.
    pub(super) fn put_zero_first(&mut self) {
        match self {
            Self::Real { rows, biases } => {
                rows.insert(0, vec![0.0; rows.first().map_or(0, Vec::len)]);
                biases.insert(0, 0.0);
            }
            Self::Codes { rows, scales, biases } => {
                rows.insert(0, vec![0; rows.first().map_or(0, Vec::len)]);
                scales.insert(0, scales.first().copied().unwrap_or(1.0));
                biases.insert(0, 0);
            }
        }
    }

    /// Zeros between taps, `dilation` rows and columns from one to the next; each tap has `inner` numbers.
    pub(super) fn dilate(&mut self, size: [usize; 2], dilation: [usize; 2], inner: usize) {
        fn spread<T: Copy + Default>(row: &[T], size: [usize; 2], dilation: [usize; 2], inner: usize) -> Vec<T> {
            let [rows, columns] = [0, 1].map(|axis| (size[axis].max(1) - 1) * dilation[axis] + 1);
            let mut wide = vec![T::default(); rows * columns * inner];
            for (index, tap) in row.chunks_exact(inner.max(1)).enumerate() {
                let [y, x] = [index / size[1].max(1) * dilation[0], index % size[1].max(1) * dilation[1]];
                let place = (y * columns + x) * inner;
                if let Some(there) = wide.get_mut(place..place + inner) {
                    there.copy_from_slice(tap);
                }
            }
            wide
        }
        match self {
            Self::Real { rows, .. } => rows.iter_mut().for_each(|row| *row = spread(row, size, dilation, inner)),
            Self::Codes { rows, .. } => rows.iter_mut().for_each(|row| *row = spread(row, size, dilation, inner)),
        }
    }
}
