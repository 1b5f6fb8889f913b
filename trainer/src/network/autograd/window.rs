//! The window that a convolution or a pool moves over its input.

use candle_core::Result;

/// A window: its size, how far apart its positions are, and what surrounds the input. Rows come before columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Rows and columns of the window.
    pub size: [usize; 2],
    /// Rows and columns from one position to the next.
    pub stride: [usize; 2],
    /// Rows or columns of padding: above, left, below, right.
    pub padding: [usize; 4],
}

/// A window along one axis of an input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    /// Of the input.
    pub size: usize,
    /// Of the window.
    pub window: usize,
    pub stride: usize,
    /// Padding before the input.
    pub before: usize,
    /// Padding after it.
    pub after: usize,
    /// Positions of the window.
    pub positions: usize,
}

impl Window {
    /// This window over an input of `height` rows and `width` columns.
    ///
    /// # Errors
    /// A size or a stride of 0, and a window that does not fit into the padded input.
    pub(super) fn axes(&self, height: usize, width: usize) -> Result<[Axis; 2]> {
        let [above, left, below, right] = self.padding;
        let axis = |index: usize, size: usize, before: usize, after: usize| {
            let (window, stride) = (self.size[index], self.stride[index]);
            match (size + before + after).checked_sub(window) {
                Some(rest) if window * stride > 0 => {
                    Ok(Axis { size, window, stride, before, after, positions: rest / stride + 1 })
                }
                Some(_) | None => candle_core::bail!("{self:?} does not fit an input of {height} x {width}"),
            }
        };
        Ok([axis(0, height, above, below)?, axis(1, width, left, right)?])
    }
}

impl Axis {
    pub fn padded(&self) -> usize {
        self.before + self.size + self.after
    }

    /// The indices of the input that a position of the window covers.
    pub fn inside(&self, position: usize) -> std::ops::Range<usize> {
        let start = position * self.stride;
        let end = (start + self.window).saturating_sub(self.before).min(self.size);
        start.saturating_sub(self.before).min(end)..end
    }
}
