//! Convolutions of 3x3 with weights in the layout [`Winograd`](crate::format::Layout::Winograd) on cores that have the loops in
//! assembly: where codes are, and where those of the output go.

#![allow(unsafe_code, reason = "calls what is written for all fourteen registers")]

use super::{pairs_if_lengths_fit, tiles};
use crate::kernels::operands::{Conv2dOperands, Rescale, TILES};
use crate::packing::winograd::{PRODUCTS, ROWS_PER_BLOCK};

/// Rows and columns of the input under a tile.
const SIDE: usize = 4;

/// Outputs of a tile before a pool.
pub const OUTPUTS: usize = 4;

/// How many rows and columns a tile moves by.
const STEP: usize = 2;

/// Columns of the input under two tiles.
const COLUMNS: usize = SIDE + STEP;

/// Where the codes of the pixels in a column are, from the upper one on.
pub type Pixels = [*const u8; SIDE];

/// What a core does in its own way.
pub trait TileLoops {
    /// Tiles whose codes are transformed at a time: 1 or 2.
    const AT_ONCE: usize;

    /// Of an element of a tile, the first word of transformed codes, and how many words after it the one of the next two
    /// channels is. A word has channels 0 and 2 of a group, the next one 1 and 3.
    fn lane(pairs: usize, product: usize, tile: usize) -> [usize; 2];

    /// Transforms the codes under a tile.
    ///
    /// # Safety
    /// From `pixels` on there are four columns of pixels, each of so many groups of four codes, one group at least. From `lanes`
    /// on, which is the tile's first word, there are words for them.
    unsafe fn transform(pixels: *const Pixels, lanes: *mut u32, groups: usize);

    /// Puts out the channels of full blocks, at the tile in this row and column and so many after it; returns how many channels
    /// that is.
    fn full_blocks(
        operands: &Conv2dOperands<'_>,
        tile: [usize; 2],
        tiles: usize,
        lanes: &[u32],
        output: &mut [u8],
    ) -> usize;

    /// An accumulator's code, as in `portable`.
    fn requantize(accumulator: i32, multiplier: i32, rescale: Rescale) -> u8;
}

/// What differs between cores that take four output channels at two tiles.
pub trait TwoTileLoops {
    /// [`TileLoops::transform`], with lanes as of [`lane_of_two_tiles`].
    const TRANSFORM: unsafe extern "C" fn(pixels: *const Pixels, lanes: *mut u32, groups: usize);

    /// Puts out the channels of full blocks. What the run points to is there, and is aligned to words.
    const BLOCKS: unsafe extern "C" fn(run: *const Run);

    /// An accumulator's code, as in `portable`.
    fn requantize(accumulator: i32, multiplier: i32, rescale: Rescale) -> u8;
}

impl<L: TwoTileLoops> TileLoops for L {
    const AT_ONCE: usize = TILES;

    #[inline]
    fn lane(_pairs: usize, product: usize, tile: usize) -> [usize; 2] {
        lane_of_two_tiles(product, tile)
    }

    #[inline]
    unsafe fn transform(pixels: *const Pixels, lanes: *mut u32, groups: usize) {
        // SAFETY: the caller's part.
        unsafe { L::TRANSFORM(pixels, lanes, groups) }
    }

    fn full_blocks(
        operands: &Conv2dOperands<'_>,
        tile: [usize; 2],
        tiles: usize,
        lanes: &[u32],
        output: &mut [u8],
    ) -> usize {
        // SAFETY: the loop is one over a run.
        unsafe { full_blocks_at_two_tiles(L::BLOCKS, operands, tile, tiles, lanes, output) }
    }

    #[inline]
    fn requantize(accumulator: i32, multiplier: i32, rescale: Rescale) -> u8 {
        <L as TwoTileLoops>::requantize(accumulator, multiplier, rescale)
    }
}

/// Convolution, and the 2x2 maximum after it if the operands have one.
#[inline(never)]
pub fn conv2d<L: TileLoops>(input: &[u8], operands: &Conv2dOperands<'_>, scratch: &mut [u32], output: &mut [u8]) {
    let Some(pairs) = pairs_if_lengths_fit(operands, output) else { return };
    let groups = pairs / 2;
    let (Some((lanes, pad)), true) = (
        scratch.split_at_mut_checked(L::AT_ONCE * PRODUCTS * pairs),
        input.len() >= operands.input.len() && groups > 0,
    ) else {
        return;
    };
    let Some(pad) = pad.get_mut(..groups) else { return };
    pad.fill(u32::from(operands.pad_code).wrapping_mul(0x0101_0101));
    let mut codes = Codes::new(input, operands, pad);
    let [rows, columns] = tiles(operands);
    for y in 0..rows {
        codes.enter_row(STEP * y);
        for x in (0..columns).step_by(L::AT_ONCE) {
            let both = L::AT_ONCE == 2 && x + 1 < columns;
            codes.find(STEP * x, if both { COLUMNS } else { SIDE });
            // SAFETY: every pixel has four codes for each group, and there are lanes for them.
            unsafe {
                L::transform(codes.pixels.as_ptr(), lanes.as_mut_ptr(), groups);
                if both {
                    let [second, _] = L::lane(pairs, 0, 1);
                    L::transform(
                        codes.pixels.as_ptr().wrapping_add(STEP),
                        lanes.as_mut_ptr().wrapping_add(second),
                        groups,
                    );
                }
            }
            let tiles = if both { 2 } else { 1 };
            let done = L::full_blocks(operands, [y, x], tiles, lanes, output);
            for channel in done..usize::from(operands.output.channels) {
                for tile in 0..tiles {
                    one_by_one::<L>(operands, [y, x], channel, tile, lanes, output);
                }
            }
        }
    }
}

/// Where the codes under two tiles are.
struct Codes<'i> {
    input: &'i [u8],
    pad: *const u8,
    height: usize,
    width: usize,
    channels: usize,
    above: usize,
    left: usize,
    /// The first codes of rows; none outside of the input.
    rows: [Option<*const u8>; SIDE],
    pixels: [Pixels; COLUMNS],
}

impl<'i> Codes<'i> {
    /// `pad` has as many codes as a pixel.
    fn new(input: &'i [u8], operands: &Conv2dOperands<'_>, pad: &[u32]) -> Self {
        let pad = pad.as_ptr().cast();
        Self {
            input,
            pad,
            height: operands.input.height.into(),
            width: operands.input.width.into(),
            channels: operands.input.channels.into(),
            above: operands.pad_above.into(),
            left: operands.window.left().into(),
            rows: [None; SIDE],
            pixels: [[pad; SIDE]; COLUMNS],
        }
    }

    /// Begins with tiles whose first row, of the padded input, is `y`.
    fn enter_row(&mut self, y: usize) {
        let mut row = y.wrapping_sub(self.above);
        for codes in &mut self.rows {
            let start = row.wrapping_mul(self.width).wrapping_mul(self.channels);
            *codes = self.input.get(start..).filter(|_| row < self.height).map(<[u8]>::as_ptr);
            row = row.wrapping_add(1);
        }
    }

    /// Finds the pixels in so many columns of tiles, of which the first one is `x`.
    #[inline(never)]
    fn find(&mut self, x: usize, columns: usize) {
        let mut column = x.wrapping_sub(self.left);
        for pixels in self.pixels.iter_mut().take(columns) {
            let start = column.wrapping_mul(self.channels);
            for (pixel, row) in pixels.iter_mut().zip(self.rows) {
                *pixel = row.filter(|_| column < self.width).map_or(self.pad, |row| row.wrapping_add(start));
            }
            column = column.wrapping_add(1);
        }
    }
}

/// Where the codes of an output are, 0 to 3, of the tile in this row and column; `None` where there is no such output.
pub fn place(operands: &Conv2dOperands<'_>, [y, x]: [usize; 2], output: usize) -> Option<usize> {
    let (y, x) = if operands.pool { (y + output, x) } else { (STEP * y + output / 2, STEP * x + output % 2) };
    let [height, width, channels] =
        [operands.output.height, operands.output.width, operands.output.channels].map(usize::from);
    // With a pool a tile has one output.
    let is_there = y < height && x < width && !(operands.pool && output > 0);
    is_there.then_some((y * width + x) * channels)
}

/// A channel of a tile: of a last block that is not full, or where weights or channels are not aligned.
#[inline(never)]
fn one_by_one<L: TileLoops>(
    operands: &Conv2dOperands<'_>,
    [y, x]: [usize; 2],
    channel: usize,
    tile: usize,
    lanes: &[u32],
    output: &mut [u8],
) {
    /// Of A^T, the columns: how an element counts in an upper and in a lower output, and in a left and in a right one.
    static SHARES: [[i32; 2]; 4] = [[1, 1], [1, -1], [1, 0], [0, 1]];
    let pairs = lanes.len() / (L::AT_ONCE * PRODUCTS);
    let Some(&[b0, b1, b2, b3, m0, m1, m2, m3]) = operands.channels.bytes().as_chunks::<8>().0.get(channel) else {
        return;
    };
    let (bias, multiplier) = (i32::from_le_bytes([b0, b1, b2, b3]), i32::from_le_bytes([m0, m1, m2, m3]));
    let words = operands.weights.as_chunks::<4>().0;
    let start = (channel / ROWS_PER_BLOCK * PRODUCTS * pairs) * ROWS_PER_BLOCK + channel % ROWS_PER_BLOCK;
    let mut weights = words.get(start..).unwrap_or_default().iter().step_by(ROWS_PER_BLOCK);
    let mut sums = [0i32; OUTPUTS];
    for product in 0..PRODUCTS {
        let mut sum = 0i32;
        let [mut at, step] = L::lane(pairs, product, tile);
        for &word in weights.by_ref().take(pairs) {
            let (word, codes) = (i32::from_le_bytes(word), lanes.get(at).unwrap_or(&0).cast_signed());
            sum = sum.wrapping_add((word >> 16).wrapping_mul(codes >> 16));
            sum = sum.wrapping_add(i32::from(word as i16).wrapping_mul(codes as i16 as i32));
            at += step;
        }
        let [Some(rows), Some(columns)] = [product % 4, product / 4].map(|at| SHARES.get(at)) else { return };
        for (output, total) in sums.iter_mut().enumerate() {
            if let (Some(row), Some(column)) = (rows.get(output / 2), columns.get(output % 2)) {
                *total = total.wrapping_add(sum.wrapping_mul(row * column));
            }
        }
    }
    if operands.pool {
        let [first, rest @ ..] = &mut sums;
        *first = rest.iter().fold(*first, |most, &sum| sum.max(most));
    }
    for (position, sum) in sums.into_iter().enumerate() {
        let code = place(operands, [y, x + tile], position).and_then(|start| output.get_mut(start + channel));
        if let Some(code) = code {
            *code = L::requantize((sum >> 2).wrapping_add(bias), multiplier, operands.rescale);
        }
    }
}

/// As [`TileLoops::lane`], where for each two channels there are the elements, each of both tiles.
const fn lane_of_two_tiles(product: usize, tile: usize) -> [usize; 2] {
    [TILES * product + tile, TILES * PRODUCTS]
}

/// What a loop over the full blocks of two tiles works on.
#[repr(C)]
pub struct Run {
    /// The transformed codes of both tiles.
    lanes: *const u32,
    /// The first block.
    weights: *const u8,
    /// Bias and multiplier of each channel.
    channels: *const u32,
    /// Words of each row of weights for an element.
    pairs: usize,
    /// Number of blocks.
    blocks: usize,
    /// Added after the multiplication.
    zero_point: u32,
    /// Left shift before it.
    shift: u32,
    /// Whether the maximum of a tile is the whole output.
    pool: u32,
    /// Where the codes of each output go, of both tiles: upper left, upper right, lower left, lower right. With a pool only of the
    /// first one.
    outputs: [*mut u8; TILES * OUTPUTS],
}

/// As [`TileLoops::full_blocks`], with lanes as of [`lane_of_two_tiles`], by a loop that LDRD and LDM read weights and channels in.
///
/// # Safety
/// What the loop needs: for each block four codes of each output, four channels and rows of weights; lanes for each pair; channels and
/// weights at multiples of a word; one block and one pair at least.
unsafe fn full_blocks_at_two_tiles(
    blocks_at_two_tiles: unsafe extern "C" fn(*const Run),
    operands: &Conv2dOperands<'_>,
    [y, x]: [usize; 2],
    tiles: usize,
    lanes: &[u32],
    output: &mut [u8],
) -> usize {
    let in_words = |bytes: &[u8]| bytes.as_ptr().addr().is_multiple_of(4);
    let (channels, pairs) = (usize::from(operands.output.channels), lanes.len() / (TILES * PRODUCTS));
    let blocks = channels / ROWS_PER_BLOCK;
    if blocks == 0 || !in_words(operands.weights) || !in_words(operands.channels.bytes()) {
        return 0;
    }
    let mut run = Run {
        lanes: lanes.as_ptr(),
        weights: operands.weights.as_ptr(),
        channels: operands.channels.bytes().as_ptr().cast(),
        pairs,
        blocks,
        zero_point: operands.rescale.zero_point.into(),
        shift: operands.rescale.shift.into(),
        pool: operands.pool.into(),
        outputs: [core::ptr::null_mut(); TILES * OUTPUTS],
    };
    let first = place(operands, [y, x], 0).unwrap_or_default();
    for (number, codes) in run.outputs.iter_mut().enumerate() {
        let tile = number % TILES;
        // Outputs that there are not get the place of the first one, which is written last.
        let start = place(operands, [y, x + tile], number / TILES).filter(|_| tile < tiles).unwrap_or(first);
        *codes = output.get_mut(start..).unwrap_or_default().as_mut_ptr();
    }
    // SAFETY: the lengths were compared, and the addresses.
    unsafe { blocks_at_two_tiles(&raw const run) }
    blocks * ROWS_PER_BLOCK
}
