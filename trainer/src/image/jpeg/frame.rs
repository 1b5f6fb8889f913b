//! The frame header of a JPEG: size, components, and how samples, blocks and MCUs relate.

use super::refusal::{damaged, unsupported};
use crate::image::error::ImageError;

/// How the coefficients of a frame are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// Whole blocks, baseline or extended.
    Sequential,
    /// A few coefficients or bits of them in each scan.
    Progressive,
}

/// A frame header.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) coding: Coding,
    /// Rows of the image; 0 until the marker after the first scan is read, where the header leaves them to that.
    pub(super) height: u32,
    /// Columns of the image.
    pub(super) width: u32,
    /// One, three or four.
    pub(super) components: Vec<Component>,
    /// Largest horizontal and vertical sampling factor.
    pub(super) most: (u32, u32),
}

/// A component of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Component {
    pub(super) id: u8,
    /// Horizontal sampling factor, 1 to 4: blocks of an MCU side by side.
    pub(super) h: u32,
    /// Vertical sampling factor, 1 to 4.
    pub(super) v: u32,
    /// Number of the quantization table, 0 to 3.
    pub(super) quantization: usize,
}

/// Samples and blocks of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// Rows of samples that are part of the image.
    pub(super) height: u32,
    /// Columns of samples that are part of the image.
    pub(super) width: u32,
    /// Rows of blocks, as many as a scan of this component alone has.
    pub(super) blocks_high: u32,
    /// Columns of blocks, as many as a scan of this component alone has.
    pub(super) blocks_wide: u32,
    /// Rows of blocks, as many as whole MCUs have.
    pub(super) stored_high: u32,
    /// Columns of blocks, as many as whole MCUs have.
    pub(super) stored_wide: u32,
}

impl Frame {
    /// Reads the content of the segment of a start-of-frame marker.
    pub(super) fn parse(marker: u8, content: &[u8]) -> Result<Self, ImageError> {
        let coding = match marker {
            0xC0 | 0xC1 => Coding::Sequential,
            0xC2 => Coding::Progressive,
            0xC3 | 0xCB => return Err(unsupported("a lossless JPEG")),
            0xC9 | 0xCA => return Err(unsupported("an arithmetic-coded JPEG")),
            0xF7 => return Err(unsupported("a JPEG-LS image")),
            _ => return Err(unsupported("a hierarchical JPEG")),
        };
        let Some((&[precision, y1, y0, x1, x0, count], rest)) = content.split_first_chunk() else {
            return Err(damaged("the frame header is too short"));
        };
        if precision != 8 {
            return Err(unsupported(&format!("a JPEG of {precision} bits a sample")));
        }
        if rest.len() != 3 * usize::from(count) || count == 0 {
            return Err(damaged(format!("the frame header has {} bytes for {count} components", rest.len())));
        }
        if !matches!(count, 1 | 3 | 4) {
            return Err(unsupported(&format!("a JPEG of {count} components")));
        }
        let mut components = Vec::with_capacity(rest.len() / 3);
        for &[id, factors, quantization] in rest.as_chunks().0 {
            let (h, v) = (u32::from(factors >> 4), u32::from(factors & 15));
            if !(1..=4).contains(&h) || !(1..=4).contains(&v) || quantization > 3 {
                return Err(damaged(format!(
                    "component {id} has sampling factors {h}x{v} and quantization table {quantization}"
                )));
            }
            components.push(Component { id, h, v, quantization: usize::from(quantization) });
        }
        let most = components.iter().fold((1, 1), |(h, v), component| (component.h.max(h), component.v.max(v)));
        if components.iter().any(|component| most.0 % component.h != 0 || most.1 % component.v != 0) {
            let factors: Vec<_> = components.iter().map(|Component { h, v, .. }| format!("{h}x{v}")).collect();
            return Err(unsupported(&format!(
                "a JPEG of sampling factors {}, of which one is not a multiple of another",
                factors.join(",")
            )));
        }
        let [height, width] = [[y1, y0], [x1, x0]].map(|bytes| u32::from(u16::from_be_bytes(bytes)));
        Ok(Self { coding, height, width, components, most })
    }

    /// Rows and columns of MCUs where a scan has several components.
    pub(super) fn mcus(&self) -> (u32, u32) {
        (self.height.div_ceil(8 * self.most.1), self.width.div_ceil(8 * self.most.0))
    }

    /// Samples and blocks of a component.
    pub(super) fn extent(&self, component: &Component) -> Extent {
        let (high, wide) = self.mcus();
        let height = (self.height * component.v).div_ceil(self.most.1);
        let width = (self.width * component.h).div_ceil(self.most.0);
        Extent {
            height,
            width,
            blocks_high: height.div_ceil(8),
            blocks_wide: width.div_ceil(8),
            stored_high: high * component.v,
            stored_wide: wide * component.h,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(height: u16, width: u16, factors: &[u8]) -> Vec<u8> {
        let ([y1, y0], [x1, x0]) = (height.to_be_bytes(), width.to_be_bytes());
        let components = factors.iter().zip(1u8..).flat_map(|(&factors, id)| [id, factors, 0]);
        [8, y1, y0, x1, x0, factors.len() as u8].into_iter().chain(components).collect()
    }

    #[test]
    fn samples_blocks_and_mcus_of_an_odd_size() {
        let frame = Frame::parse(0xC0, &header(35, 17, &[0x22, 0x11, 0x12])).unwrap();
        assert_eq!(frame.mcus(), (3, 2));
        let extents: Vec<_> = frame.components.iter().map(|component| frame.extent(component)).collect();
        let extent = |height, width, blocks_high, blocks_wide, stored_high, stored_wide| Extent {
            height,
            width,
            blocks_high,
            blocks_wide,
            stored_high,
            stored_wide,
        };
        assert_eq!(extents, [extent(35, 17, 5, 3, 6, 4), extent(18, 9, 3, 2, 3, 2), extent(35, 9, 5, 2, 6, 2)]);
    }

    #[test]
    fn what_is_not_read_is_called_by_its_name_and_what_is_broken_is_damaged() {
        let color = header(8, 8, &[0x11, 0x11, 0x11]);
        let deep = [&[12], &color[1..]].concat();
        let fractional = header(8, 8, &[0x31, 0x21, 0x11]);
        let two = header(8, 8, &[0x11, 0x11]);
        let save = "; save it as a baseline or progressive JPEG in gray or color";
        for (marker, content, kind) in [
            (0xC9, &color, "an arithmetic-coded JPEG"),
            (0xCA, &color, "an arithmetic-coded JPEG"),
            (0xC3, &color, "a lossless JPEG"),
            (0xC5, &color, "a hierarchical JPEG"),
            (0xCF, &color, "a hierarchical JPEG"),
            (0xF7, &color, "a JPEG-LS image"),
            (0xC1, &deep, "a JPEG of 12 bits a sample"),
            (0xC0, &two, "a JPEG of 2 components"),
            (0xC0, &fractional, "a JPEG of sampling factors 3x1,2x1,1x1, of which one is not a multiple of another"),
        ] {
            let message = Frame::parse(marker, content).unwrap_err().to_string();
            assert_eq!(message, format!("not supported: {kind}{save}"));
        }
        for broken in [&color[..5], &color[..14], &[], &header(8, 8, &[]), &header(8, 8, &[0x51])] {
            let error = Frame::parse(0xC0, broken).unwrap_err();
            assert!(matches!(error, ImageError::Damaged { .. }), "{error}");
        }
    }
}
