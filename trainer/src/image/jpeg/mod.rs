//! JPEG files: baseline, extended sequential and progressive ones of 8 bits a sample, to the pixels that libjpeg-turbo
//! gives, and only if every block of the image is in the file.
//!
//! The decoder is our own because images decide what a network learns, and no decoder at hand both reads every sampling of
//! components that libjpeg writes and notices every loss of data. Measured on the 832 files that `cjpeg` and `djpeg` agree
//! to write and read (12 x 12 sampling factors of luma and chroma, baseline and progressive, interleaved or a scan for
//! each component, with and without restart markers, and gray and RGB ones): zune-jpeg 0.5.15 decodes 132 to other pixels
//! without an error and refuses 446; jpeg-decoder 0.3.2 decodes none to others and refuses 76. zune-jpeg also fills up with gray
//! what a damaged file lacks.
//!
//! | module | what it holds |
//! |---|---|
//! | `segments` | markers, tables, headers |
//! | `frame` | size, components, sampling factors |
//! | `scan` | the walk over the blocks of a scan, restart markers |
//! | `bits`, `huffman` | entropy-coded data to symbols |
//! | `sequential`, `progressive` | symbols to coefficients |
//! | `idct`, `plane` | coefficients to samples |
//! | `upsample`, `color` | samples to pixels |
//!
//! What is not read is refused by name: arithmetic coding, lossless and hierarchical JPEGs, 12 bits, two components, and
//! sampling factors of which one does not divide the other, which libjpeg refuses too. What is damaged is refused with the
//! place: each scan has to have all its blocks, not a byte more, and the right restart markers; the scans together have to
//! give all bits of all coefficients. What comes after the end of the image is not looked at.

mod bits;
mod color;
mod frame;
mod huffman;
mod idct;
mod plane;
mod progressive;
mod refusal;
mod scan;
mod segments;
mod sequential;
mod upsample;
mod zigzag;

use image::DynamicImage;

use self::color::ColorSpace;
use self::frame::{Coding, Frame};
use self::plane::Plane;
use self::progressive::{Band, BandBit, Coefficients, First, FirstBit, FirstSlot};
use self::refusal::damaged;
use self::scan::{Scan, ScanData, decode_blocks};
use self::segments::{Segment, Segments};
use self::sequential::{Sequential, Slot};
use self::upsample::Upsampler;
use super::error::ImageError;
use super::flatten::buffer;

/// Blocks that all scans of an image may have together: twenty times those of the largest image.
const MOST_BLOCKS: u64 = 1 << 26;

/// Whether the content of a file begins as a JPEG.
pub(super) fn is_jpeg(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xFF, 0xD8, 0xFF])
}

/// A JPEG file whose headers are read.
pub(super) struct Jpeg<'a> {
    bytes: &'a [u8],
    segments: Segments<'a>,
    frame: Frame,
    scan: &'a [u8],
    color: ColorSpace,
}

impl<'a> Jpeg<'a> {
    /// Reads all that comes before the data of the first scan.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let mut segments = Segments::new(bytes);
        let Segment::Scan(scan) = segments.next()? else {
            return Err(damaged("it ends before the first scan"));
        };
        let mut frame = segments.frame.clone().ok_or_else(|| damaged("it has a scan before the frame header"))?;
        if frame.height == 0 {
            frame.height = segments.lines_after_scan()?;
        }
        if frame.height == 0 || frame.width == 0 {
            return Err(damaged("it has no pixels"));
        }
        let ids: Vec<u8> = frame.components.iter().map(|component| component.id).collect();
        let color = ColorSpace::of(&segments, &ids);
        Ok(Self { bytes, segments, frame, scan, color })
    }

    /// Rows and columns, as they are stored.
    pub(super) fn size(&self) -> (u32, u32) {
        (self.frame.height, self.frame.width)
    }

    /// Whether it is stored with color.
    pub(super) fn is_rgb(&self) -> bool {
        self.color != ColorSpace::Gray
    }

    /// Bytes that decoding takes: samples, coefficients where they come in several scans, and pixels.
    pub(super) fn memory(&self) -> u64 {
        let stored = |component| {
            let extent = self.frame.extent(component);
            64 * u64::from(extent.stored_high) * u64::from(extent.stored_wide)
        };
        let samples: u64 = self.frame.components.iter().map(stored).sum();
        let pixels = u64::from(self.frame.height) * u64::from(self.frame.width) * if self.is_rgb() { 3 } else { 1 };
        match self.frame.coding {
            Coding::Sequential => samples + pixels,
            // The coefficients of a component are dropped as soon as its samples are there.
            Coding::Progressive => (samples + pixels).max(2 * samples + samples / 3),
        }
    }

    /// Decodes the pixels, as they are stored.
    pub(super) fn decode(mut self) -> Result<DynamicImage, ImageError> {
        let planes = match self.frame.coding {
            Coding::Sequential => self.sequential()?,
            Coding::Progressive => self.progressive()?,
        };
        let (height, width) = (self.frame.height, self.frame.width);
        let row_len = width as usize * if self.is_rgb() { 3 } else { 1 };
        let mut pixels = vec![0; height as usize * row_len];
        let mut upsamplers: Vec<_> = (self.frame.components.iter().zip(&planes))
            .map(|(component, plane)| Upsampler::new(&self.frame, component, plane))
            .collect();
        for (y, row) in pixels.chunks_exact_mut(row_len).enumerate() {
            let rows: Vec<_> =
                upsamplers.iter_mut().zip(&planes).map(|(upsampler, plane)| upsampler.row(plane, y)).collect();
            color::convert(self.color, &rows, row);
        }
        Ok(match self.color {
            ColorSpace::Gray => DynamicImage::ImageLuma8(buffer((width, height), pixels)),
            ColorSpace::Rgb | ColorSpace::YCbCr | ColorSpace::Cmyk | ColorSpace::Ycck => {
                DynamicImage::ImageRgb8(buffer((width, height), pixels))
            }
        })
    }

    /// Calls `decode` for each scan; it returns the index of the marker after the data.
    fn scans(
        &mut self,
        mut decode: impl FnMut(&Segments, &Scan, &ScanData) -> Result<usize, ImageError>,
    ) -> Result<(), ImageError> {
        let mut blocks = 0;
        let mut header = self.scan;
        for number in 1.. {
            let scan = Scan::parse(header, &self.frame)?;
            blocks += scan.blocks(&self.frame);
            if blocks > MOST_BLOCKS {
                return Err(damaged(format!("{number} scans are more than an image of this size has")));
            }
            let restart_interval = self.segments.restart_interval;
            let data = ScanData { bytes: self.bytes, at: self.segments.at, restart_interval, number };
            self.segments.at = decode(&self.segments, &scan, &data)?;
            header = loop {
                match self.segments.next()? {
                    Segment::Scan(header) => break header,
                    Segment::End => return Ok(()),
                    Segment::Lines(lines) if lines == self.frame.height => {}
                    Segment::Lines(lines) => {
                        return Err(damaged(format!("it has {} lines and then states {lines}", self.frame.height)));
                    }
                }
            };
        }
        Ok(())
    }

    /// The samples of each component, each of which comes in one scan.
    fn sequential(&mut self) -> Result<Vec<Plane>, ImageError> {
        let frame = self.frame.clone();
        let mut planes: Vec<_> =
            frame.components.iter().map(|component| Plane::new(&frame.extent(component))).collect();
        let mut is_missing = vec![true; planes.len()];
        self.scans(|segments, scan, data| {
            let mut slots = Vec::with_capacity(scan.components.len());
            for component in &scan.components {
                let index = component.index;
                if !std::mem::take(&mut is_missing[index]) {
                    return Err(damaged(format!("component {} comes again in scan {}", index + 1, data.number)));
                }
                slots.push(Slot {
                    index,
                    dc: segments.huffman(false, component.dc)?,
                    ac: segments.huffman(true, component.ac)?,
                    quantization: quantization(segments, &frame, index)?,
                    prediction: 0,
                });
            }
            decode_blocks(&frame, scan, data, &mut Sequential { slots, planes: &mut planes })
        })?;
        match is_missing.iter().position(|&is_missing| is_missing) {
            Some(index) => Err(damaged(format!("it ends before a scan of component {}", index + 1))),
            None => Ok(planes),
        }
    }

    /// The samples of each component from the coefficients of all scans.
    fn progressive(&mut self) -> Result<Vec<Plane>, ImageError> {
        let frame = self.frame.clone();
        let extents: Vec<_> = frame.components.iter().map(|component| frame.extent(component)).collect();
        let mut coefficients: Vec<_> =
            extents.iter().map(|extent| Coefficients::new(extent.stored_high, extent.stored_wide)).collect();
        // Each component has the table that is defined when its first scan begins.
        let mut tables = vec![None; extents.len()];
        self.scans(|segments, scan, data| {
            progressive::begin(scan, data.number, &mut coefficients)?;
            for component in &scan.components {
                if tables[component.index].is_none() {
                    tables[component.index] = Some(quantization(segments, &frame, component.index)?);
                }
            }
            let (low, is_first) = (scan.low, scan.high == 0);
            match scan.components[..] {
                [ref component] if scan.first > 0 => {
                    let band = Band {
                        table: segments.huffman(true, component.ac)?,
                        first: scan.first,
                        last: scan.last,
                        low,
                        empty: 0,
                        coefficients: &mut coefficients[component.index],
                    };
                    if is_first {
                        decode_blocks(&frame, scan, data, &mut { band })
                    } else {
                        decode_blocks(&frame, scan, data, &mut BandBit { band })
                    }
                }
                ref components if is_first => {
                    let mut slots = Vec::with_capacity(components.len());
                    for component in components {
                        let table = segments.huffman(false, component.dc)?;
                        slots.push(FirstSlot { index: component.index, table, prediction: 0 });
                    }
                    decode_blocks(&frame, scan, data, &mut First { slots, low, coefficients: &mut coefficients })
                }
                ref components => {
                    let indices = components.iter().map(|component| component.index).collect();
                    let mut decoder = FirstBit { indices, low, coefficients: &mut coefficients };
                    decode_blocks(&frame, scan, data, &mut decoder)
                }
            }
        })?;
        if let Some(index) = coefficients.iter().position(|coefficients| !coefficients.are_complete()) {
            return Err(damaged(format!("it ends before all bits of component {} have come", index + 1)));
        }
        let planes = coefficients.into_iter().zip(&extents).zip(tables).map(|((coefficients, extent), table)| {
            let mut plane = Plane::new(extent);
            let quantization = table.unwrap_or([1; 64]);
            for (index, block) in coefficients.values.as_chunks::<64>().0.iter().enumerate() {
                let (x, y) = (index % coefficients.blocks_wide, index / coefficients.blocks_wide);
                let values = std::array::from_fn(|at| i32::from(block[at]) * i32::from(quantization[at]));
                plane.set_block(x, y, &idct::samples(&values));
            }
            plane
        });
        Ok(planes.collect())
    }
}

/// The quantization table of a component.
fn quantization(segments: &Segments, frame: &Frame, index: usize) -> Result<[u16; 64], ImageError> {
    let number = frame.components[index].quantization;
    segments.quantization[number].ok_or_else(|| damaged(format!("it uses quantization table {number}, which it lacks")))
}
