//! The two matrix products of a dense layer, on slices, without packing: at batch 32 a packed copy of the weights would
//! cost as much memory traffic as the product itself.
//!
//! Both keep a tile of sums in registers, 12 vectors of 8 lanes, and read 7 vectors for 12 multiply-adds. Work is cut by
//! shape alone, so that the same inputs give the same bits on any number of cores.

use rayon::prelude::*;

use crate::support::vector::{multiply_add, vectorized};

/// Lanes of a vector.
const LANES: usize = 8;

/// Rows of one task of [`rows_by_rows`]: their weights stay in the second-level cache.
const TASK_ROWS: usize = 12;

/// Inputs that one pass over all rows takes, so that a strip of the left matrix stays in the first-level cache.
const STRIP: usize = 256;

/// Columns of one task of [`rows_by_columns`].
const TASK_COLUMNS: usize = 192;

/// Multiply-adds below which one core is faster than two.
const WORTH_A_TASK: usize = 1 << 17;

/// `output[i][j] = sum_k left[i][k] * right[j][k]`: rows times rows, both contiguous. `output` is `[n, m]`.
pub fn rows_by_rows(left: &[f32], right: &[f32], inner: usize, output: &mut [f32]) {
    let (n, m) = (left.len() / inner, right.len() / inner);
    assert_eq!(output.len(), n * m);
    let task = |(first, rows): (usize, &[f32])| {
        let mut columns = vec![0.0; n * (rows.len() / inner)];
        rows_by_rows_task(left, rows, inner, &mut columns);
        (first * TASK_ROWS, columns)
    };
    let tasks: Vec<(usize, Vec<f32>)> = if n * m * inner < WORTH_A_TASK {
        right.chunks(TASK_ROWS * inner).enumerate().map(task).collect()
    } else {
        right.par_chunks(TASK_ROWS * inner).enumerate().map(task).collect()
    };
    for (first, columns) in tasks {
        let width = columns.len() / n.max(1);
        for (row, columns) in output.chunks_exact_mut(m).zip(columns.chunks_exact(width)) {
            row[first..first + width].copy_from_slice(columns);
        }
    }
}

/// How the left matrix of [`rows_by_columns`] lies in its slice.
#[derive(Clone, Copy)]
pub struct Strides {
    /// From one row to the next.
    pub row: usize,
    /// From one column to the next.
    pub column: usize,
}

/// `output[i][c] = sum_j left[i, j] * right[j][c]`: `right` is `[m, columns]`, `output` `[n, columns]`, `left` lies by its
/// strides.
pub fn rows_by_columns(left: &[f32], strides: Strides, right: &[f32], columns: usize, output: &mut [f32]) {
    let (n, m) = (output.len() / columns, right.len() / columns);
    assert!(n * m == 0 || (n - 1) * strides.row + (m - 1) * strides.column < left.len());
    // Each task gets its columns of every row: a strip of `right` is then read once.
    let mut tasks: Vec<Vec<&mut [f32]>> = Vec::new();
    tasks.resize_with(columns.div_ceil(TASK_COLUMNS), || Vec::with_capacity(n));
    for row in output.chunks_exact_mut(columns) {
        tasks.iter_mut().zip(row.chunks_mut(TASK_COLUMNS)).for_each(|(task, columns)| task.push(columns));
    }
    let task = |(index, mut rows): (usize, Vec<&mut [f32]>)| {
        rows_by_columns_task(left, strides, right, columns, index * TASK_COLUMNS, &mut rows);
    };
    if n * m * columns < WORTH_A_TASK {
        tasks.into_iter().enumerate().for_each(task);
    } else {
        tasks.into_par_iter().enumerate().for_each(task);
    }
}

vectorized! {
    /// `output` is `[n, rows of right]`.
    fn rows_by_rows_task(left: &[f32], right: &[f32], inner: usize, output: &mut [f32]) {
        let width = right.len() / inner;
        // Sums of each lane by itself, so that a strip adds vectors and not their totals.
        let mut partial = vec![[0f32; LANES]; output.len()];
        let vectors = inner / LANES * LANES;
        for from in (0..vectors).step_by(STRIP) {
            let strip = from..(from + STRIP).min(vectors);
            for (tile, right_rows) in right.chunks(3 * inner).enumerate() {
                for (left_tile, left_rows) in left.chunks(4 * inner).enumerate() {
                    let first = left_tile * 4 * width + tile * 3;
                    let partial = &mut partial[first..];
                    match (left_rows.len() / inner, right_rows.len() / inner) {
                        (4, 3) => dot_tile::<FUSED, 4, 3>(left_rows, right_rows, inner, &strip, partial, width),
                        (rows, columns) => {
                            for row in 0..rows {
                                for column in 0..columns {
                                    let left = &left_rows[row * inner..][..inner];
                                    let right = &right_rows[column * inner..][..inner];
                                    let partial = &mut partial[row * width + column..];
                                    dot_tile::<FUSED, 1, 1>(left, right, inner, &strip, partial, width);
                                }
                            }
                        }
                    }
                }
            }
        }
        for (index, (output, partial)) in output.iter_mut().zip(&partial).enumerate() {
            let (left, right) = (&left[index / width * inner..][vectors..inner], &right[index % width * inner..][vectors..inner]);
            let mut sum = partial.iter().sum();
            for (left, right) in left.iter().zip(right) {
                sum = fma!(*left, *right, sum);
            }
            *output = sum;
        }
    }
}

/// Adds a strip of the products of `ROWS` left and `COLUMNS` right rows to `partial`, whose rows are `width` apart.
#[inline(always)]
fn dot_tile<const FUSED: bool, const ROWS: usize, const COLUMNS: usize>(
    left: &[f32],
    right: &[f32],
    inner: usize,
    strip: &std::ops::Range<usize>,
    partial: &mut [[f32; LANES]],
    width: usize,
) {
    let left: [&[[f32; LANES]]; ROWS] = std::array::from_fn(|row| left[row * inner..][strip.clone()].as_chunks().0);
    let right: [&[[f32; LANES]]; COLUMNS] =
        std::array::from_fn(|column| right[column * inner..][strip.clone()].as_chunks().0);
    let mut sums = [[[0f32; LANES]; COLUMNS]; ROWS];
    for (row, sums) in sums.iter_mut().enumerate() {
        *sums = std::array::from_fn(|column| partial[row * width + column]);
    }
    for step in 0..strip.len() / LANES {
        let right: [[f32; LANES]; COLUMNS] = std::array::from_fn(|column| right[column][step]);
        for (sums, left) in sums.iter_mut().zip(&left) {
            let left = left[step];
            for (sums, right) in sums.iter_mut().zip(&right) {
                for lane in 0..LANES {
                    sums[lane] = multiply_add::<FUSED>(left[lane], right[lane], sums[lane]);
                }
            }
        }
    }
    for (row, sums) in sums.iter().enumerate() {
        partial[row * width..][..COLUMNS].copy_from_slice(sums);
    }
}

vectorized! {
    /// `rows` are the columns from `first` on of each row of the output.
    fn rows_by_columns_task(
        left: &[f32],
        strides: Strides,
        right: &[f32],
        columns: usize,
        first: usize,
        rows: &mut [&mut [f32]],
    ) {
        let width = rows.first().map_or(0, |row| row.len());
        let vectors = width / LANES * LANES;
        let mut at = 0;
        while at < vectors {
            let three = vectors - at >= 3 * LANES;
            for (tile, rows) in rows.chunks_mut(4).enumerate() {
                let left = &left[tile * 4 * strides.row..];
                let right = &right[first + at..];
                match (rows.len(), three) {
                    (4, true) => axpy_tile::<FUSED, 4, 3>(left, strides, right, columns, at, rows),
                    (4, false) => axpy_tile::<FUSED, 4, 1>(left, strides, right, columns, at, rows),
                    _ => {
                        for (row, output) in rows.chunks_mut(1).enumerate() {
                            let left = &left[row * strides.row..];
                            match three {
                                true => axpy_tile::<FUSED, 1, 3>(left, strides, right, columns, at, output),
                                false => axpy_tile::<FUSED, 1, 1>(left, strides, right, columns, at, output),
                            }
                        }
                    }
                }
            }
            at += if three { 3 * LANES } else { LANES };
        }
        for (row, output) in rows.iter_mut().enumerate() {
            for (column, output) in output.iter_mut().enumerate().skip(vectors) {
                let products = left[row * strides.row..].iter().step_by(strides.column).zip(right[first + column..].iter().step_by(columns));
                let mut sum = 0.0;
                for (left, right) in products {
                    sum = fma!(*left, *right, sum);
                }
                *output = sum;
            }
        }
    }
}

/// The sums of `ROWS` rows and `VECTORS` vectors of columns, from column `at` of `output` on.
#[inline(always)]
fn axpy_tile<const FUSED: bool, const ROWS: usize, const VECTORS: usize>(
    left: &[f32],
    strides: Strides,
    right: &[f32],
    columns: usize,
    at: usize,
    output: &mut [&mut [f32]],
) {
    let mut sums = [[[0f32; LANES]; VECTORS]; ROWS];
    for (inner, right) in right.chunks(columns).enumerate() {
        let right: &[[f32; LANES]] = right.as_chunks().0;
        let Some(right) = right.first_chunk::<VECTORS>() else { break };
        for (row, sums) in sums.iter_mut().enumerate() {
            let left = left[row * strides.row + inner * strides.column];
            for (sums, right) in sums.iter_mut().zip(right) {
                for lane in 0..LANES {
                    sums[lane] = multiply_add::<FUSED>(left, right[lane], sums[lane]);
                }
            }
        }
    }
    for (output, sums) in output.iter_mut().zip(&sums) {
        output[at..][..VECTORS * LANES].copy_from_slice(sums.as_flattened());
    }
}
