//! JPEG files of every geometry, written from drawn coefficients: what a decoder is to be tried on.
//!
//! The files hold nothing but what [`Layout`] describes, so a test can cut them at a known block. Sequential and progressive
//! files of the same [`Drawing`] hold the same coefficients, and so the same pixels.

use std::ops::Range;

/// Rows and columns of each [`cases`]' image: no multiple of an MCU of any sampling factors.
pub const SIZE: (u32, u32) = (19, 17);

/// Pixels of all [`cases`], one after the other, as libjpeg decodes them; packed by gzip. Gray or RGB, as each case is.
/// Written by `cargo run --release -p thimble-tests --example jpeg_pixels`, which needs `djpeg`.
pub const LIBJPEG_PIXELS: &[u8] = include_bytes!("jpeg_pixels.gz");

/// The segments that state what the components are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// Neither JFIF nor Adobe: gray, YCbCr or CMYK by the number of components.
    Plain,
    /// A segment of JFIF.
    Jfif,
    /// A segment of Adobe with this transform: 0 for RGB and CMYK, 1 for YCbCr, 2 for YCCK.
    Adobe(u8),
}

/// The coefficients of an image.
#[derive(Clone, Debug)]
pub struct Drawing {
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
    /// Horizontal and vertical sampling factor of each component.
    pub factors: Vec<(u32, u32)>,
    /// What the components are.
    pub color: Color,
    /// Of each component: blocks row by row, as many as whole MCUs have, each in zigzag order.
    blocks: Vec<Vec<[i16; 64]>>,
}

/// How coefficients are laid out in a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Layout {
    /// A few bits of a few coefficients in each scan.
    pub is_progressive: bool,
    /// A scan for each component, also where one could hold all.
    pub is_split: bool,
    /// MCUs between restart markers, or 0.
    pub restart_interval: u16,
    /// The height is given after the first scan, and is 0 in the frame header.
    pub has_late_height: bool,
}

/// A file, and where its parts are.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// The content.
    pub bytes: Vec<u8>,
    /// Where the data of each scan are.
    pub scans: Vec<Range<usize>>,
}

/// All sampling factors that a component can have.
pub fn all_factors() -> impl Iterator<Item = (u32, u32)> {
    (1..=4).flat_map(|h| (1..=4).map(move |v| (h, v)))
}

/// Whether one factor divides the other, in both directions, for all components: libjpeg refuses what is not so.
#[must_use]
pub fn divide_each_other(factors: &[(u32, u32)]) -> bool {
    let most = (factors.iter().map(|of| of.0).max().unwrap_or(1), factors.iter().map(|of| of.1).max().unwrap_or(1));
    factors.iter().all(|of| most.0 % of.0 == 0 && most.1 % of.1 == 0)
}

/// Gray images, color ones of all factors for luma and for both chroma components, 40 of three different factors, RGB,
/// CMYK and YCCK; those only whose factors libjpeg reads.
#[must_use]
pub fn cases() -> Vec<Drawing> {
    let mut cases: Vec<(Vec<(u32, u32)>, Color)> = Vec::new();
    cases.extend(all_factors().map(|gray| (vec![gray], Color::Jfif)));
    for luma in all_factors() {
        cases.extend(all_factors().map(|chroma| (vec![luma, chroma, chroma], Color::Jfif)));
    }
    let mut random = Random(48);
    let mut any = || (1 << random.below(3), 1 << random.below(3));
    cases.extend((0..40).map(|_| (vec![any(), any(), any()], Color::Plain)));
    for (h, v) in [(1, 1), (2, 1), (1, 2), (2, 2), (4, 1)] {
        cases.push((vec![(h, v), (1, 1), (h, v)], Color::Adobe(0)));
        cases.push((vec![(h, v), (1, 1), (1, 1)], Color::Adobe(1)));
        cases.push((vec![(h, v), (1, 1), (1, 1), (h, v)], Color::Adobe(2)));
        cases.push((vec![(1, 1), (h, v), (1, 1), (1, 1)], Color::Adobe(0)));
        cases.push((vec![(1, 1), (1, 1), (h, v), (1, v)], Color::Plain));
    }
    cases.retain(|(factors, _)| divide_each_other(factors));
    let draw = |((factors, color), seed)| Drawing::new(SIZE, factors, color, seed);
    cases.into_iter().zip(1..).map(draw).collect()
}

impl Drawing {
    /// Draws coefficients of an image of `(height, width)`.
    #[must_use]
    pub fn new((height, width): (u32, u32), factors: Vec<(u32, u32)>, color: Color, seed: u32) -> Self {
        let mut drawing = Self { height, width, factors, color, blocks: Vec::new() };
        let mut random = Random(seed);
        let (high, wide) = drawing.mcus();
        drawing.blocks = drawing
            .factors
            .iter()
            .map(|(h, v)| (0..high * wide * h * v).map(|_| block(&mut random)).collect())
            .collect();
        drawing
    }

    /// The layouts that its factors allow, with and without restart markers, and how many MCUs are between those.
    #[must_use]
    pub fn layouts(&self) -> Vec<Layout> {
        let mut layouts = Vec::new();
        for is_progressive in [false, true] {
            for is_split in [false, true] {
                for restart_interval in [0, 1, 3] {
                    layouts.push(Layout { is_progressive, is_split, restart_interval, ..Layout::default() });
                }
            }
        }
        layouts.retain(|layout| layout.is_split || self.fits_one_scan());
        layouts
    }

    fn fits_one_scan(&self) -> bool {
        self.factors.len() > 1 && self.factors.iter().map(|(h, v)| h * v).sum::<u32>() <= 10
    }

    fn most(&self) -> (u32, u32) {
        let most = |side: fn(&(u32, u32)) -> u32| self.factors.iter().map(side).max().unwrap_or(1);
        (most(|of| of.0), most(|of| of.1))
    }

    fn mcus(&self) -> (u32, u32) {
        let (h, v) = self.most();
        (self.height.div_ceil(8 * v), self.width.div_ceil(8 * h))
    }

    /// Indices of a scan's blocks, as (component, block), MCU by MCU.
    fn order(&self, components: &[usize]) -> Vec<Vec<(usize, usize)>> {
        let (most, (high, wide)) = (self.most(), self.mcus());
        if let &[component] = components {
            let (h, v) = self.factors[component];
            let (rows, columns) = ((self.height * v).div_ceil(8 * most.1), (self.width * h).div_ceil(8 * most.0));
            let at = |y, x| vec![(component, (y * wide * h + x) as usize)];
            return (0..rows).flat_map(|y| (0..columns).map(move |x| at(y, x))).collect();
        }
        let mut mcus = Vec::new();
        for (row, column) in (0..high).flat_map(|row| (0..wide).map(move |column| (row, column))) {
            let mut mcu = Vec::new();
            for &component in components {
                let (h, v) = self.factors[component];
                for (y, x) in (0..v).flat_map(|y| (0..h).map(move |x| (y, x))) {
                    mcu.push((component, ((row * v + y) * wide * h + column * h + x) as usize));
                }
            }
            mcus.push(mcu);
        }
        mcus
    }

    /// Blocks of a sequential file's first scan, or of a progressive one's.
    #[must_use]
    pub fn blocks_of_first_scan(&self, layout: &Layout) -> usize {
        self.order(&self.scan_components(layout)[0]).iter().map(Vec::len).sum()
    }

    fn scan_components(&self, layout: &Layout) -> Vec<Vec<usize>> {
        let all = 0..self.factors.len();
        if layout.is_split || !self.fits_one_scan() {
            all.map(|index| vec![index]).collect()
        } else {
            vec![all.collect()]
        }
    }

    /// The file.
    #[must_use]
    pub fn file(&self, layout: &Layout) -> File {
        let mut file = File { bytes: vec![0xFF, 0xD8], scans: Vec::new() };
        match self.color {
            Color::Plain => {}
            Color::Jfif => file.segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"),
            Color::Adobe(transform) => file.segment(0xEE, &[&b"Adobe\0\x64\0\0\0\0"[..], &[transform]].concat()),
        }
        for number in 0..2u8 {
            let table: Vec<u8> = (0..64).map(|at| 2 + number + at / (3 + number)).collect();
            file.segment(0xDB, &[&[number], &table[..]].concat());
        }
        let height = if layout.has_late_height { 0 } else { self.height };
        let ids = match self.color {
            Color::Adobe(0) if self.factors.len() == 3 => [b'R', b'G', b'B', 0],
            _ => [1, 2, 3, 4],
        };
        let mut frame = vec![8, (height >> 8) as u8, height as u8, (self.width >> 8) as u8, self.width as u8];
        frame.push(self.factors.len() as u8);
        for (index, &(h, v)) in self.factors.iter().enumerate() {
            frame.extend([ids[index], (h << 4 | v) as u8, u8::from(index == 1 || index == 2)]);
        }
        file.segment(if layout.is_progressive { 0xC2 } else { 0xC0 }, &frame);
        for class in [0, 1] {
            let codes = Codes::new(class);
            file.segment(0xC4, &[&[class << 4], &codes.counts[..], &codes.symbols].concat());
        }
        if layout.restart_interval > 0 {
            file.segment(0xDD, &layout.restart_interval.to_be_bytes());
        }
        let scans = if layout.is_progressive { self.progressive_scans(layout) } else { self.sequential_scans(layout) };
        for scan in scans {
            let mut header = vec![scan.components.len() as u8];
            header.extend(scan.components.iter().flat_map(|&index| [ids[index], 0]));
            header.extend([scan.band.start as u8, scan.band.end as u8 - 1, scan.high << 4 | scan.low]);
            file.segment(0xDA, &header);
            let start = file.bytes.len();
            self.write_scan(layout, &scan, &mut file.bytes);
            file.scans.push(start..file.bytes.len());
            if layout.has_late_height && file.scans.len() == 1 {
                file.segment(0xDC, &(self.height as u16).to_be_bytes());
            }
        }
        file.bytes.extend([0xFF, 0xD9]);
        file
    }

    fn sequential_scans(&self, layout: &Layout) -> Vec<Scan> {
        let scan = |components| Scan { components, band: 0..64, high: 0, low: 0 };
        self.scan_components(layout).into_iter().map(scan).collect()
    }

    fn progressive_scans(&self, layout: &Layout) -> Vec<Scan> {
        let first = |high, low| {
            self.scan_components(layout).into_iter().map(move |components| Scan { components, band: 0..1, high, low })
        };
        let band = |band: Range<usize>, high, low| {
            (0..self.factors.len()).map(move |index| Scan { components: vec![index], band: band.clone(), high, low })
        };
        let mut scans: Vec<_> = first(0, 1).collect();
        scans.extend(band(1..6, 0, 2).chain(band(6..64, 0, 2)).chain(band(1..64, 2, 1)));
        scans.extend(first(1, 0).chain(band(1..64, 1, 0)));
        scans
    }

    fn write_scan(&self, layout: &Layout, scan: &Scan, bytes: &mut Vec<u8>) {
        let mut writer = Writer::new(scan);
        for (number, mcu) in self.order(&scan.components).into_iter().enumerate() {
            let interval = usize::from(layout.restart_interval);
            if interval > 0 && number > 0 && number % interval == 0 {
                writer.end(bytes);
                bytes.extend([0xFF, 0xD0 + (number / interval - 1) as u8 % 8]);
            }
            for (component, index) in mcu {
                let block = &self.blocks[component][index];
                match (layout.is_progressive, scan.band.start, scan.high) {
                    (false, _, _) => writer.whole(component, block),
                    (true, 0, 0) => writer.difference(component, block[0] >> scan.low),
                    (true, 0, _) => writer.bits.put(u32::from(block[0] >> scan.low & 1 == 1), 1),
                    (true, _, 0) => writer.band(block),
                    (true, _, _) => writer.band_bit(block),
                }
            }
        }
        writer.end(bytes);
    }
}

impl File {
    fn segment(&mut self, marker: u8, content: &[u8]) {
        self.bytes.extend([0xFF, marker]);
        self.bytes.extend((content.len() as u16 + 2).to_be_bytes());
        self.bytes.extend(content);
    }
}

/// Mostly low frequencies, of every length of run and size that 8 bits allow.
fn block(random: &mut Random) -> [i16; 64] {
    let mut block = [0; 64];
    block[0] = random.below(401) as i16 - 200;
    for _ in 0..random.below(7) {
        block[1 + random.below(9)] = random.below(61) as i16 - 30;
    }
    if random.below(3) == 0 {
        block[1 + random.below(63)] = random.below(5) as i16 - 2;
    }
    block
}

struct Scan {
    components: Vec<usize>,
    band: Range<usize>,
    high: u8,
    low: u8,
}

/// Codes of all symbols: the first 16 are short, the next longer, the others longer than most look-up tables.
struct Codes {
    counts: [u8; 16],
    symbols: Vec<u8>,
}

impl Codes {
    fn new(class: u8) -> Self {
        let mut counts = [0; 16];
        let symbols: Vec<u8> = match class {
            0 => (0..12).collect(),
            _ => (0..=255u8).filter(|symbol| symbol & 15 < 11).collect(),
        };
        match class {
            0 => counts[3] = 12,
            _ => (counts[4], counts[6], counts[11]) = (16, 20, symbols.len() as u8 - 36),
        }
        Self { counts, symbols }
    }

    fn code(&self, symbol: u8) -> (u32, u32) {
        let wanted = self.symbols.iter().position(|&other| other == symbol).expect("every symbol has a code");
        let (mut code, mut index) = (0, 0);
        for (length, &count) in (1..).zip(&self.counts) {
            if wanted < index + usize::from(count) {
                return (code + (wanted - index) as u32, length);
            }
            index += usize::from(count);
            code = (code + u32::from(count)) << 1;
        }
        unreachable!("every symbol has a length")
    }
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    word: u32,
    count: u32,
}

impl Bits {
    fn put(&mut self, code: u32, length: u32) {
        for at in (0..length).rev() {
            self.word = self.word << 1 | (code >> at & 1);
            self.count += 1;
            if self.count == 8 {
                self.bytes.push(self.word as u8);
                if self.word as u8 == 0xFF {
                    self.bytes.push(0);
                }
                (self.word, self.count) = (0, 0);
            }
        }
    }
}

struct Writer {
    bits: Bits,
    dc: Codes,
    ac: Codes,
    predictions: [i16; 4],
    band: Range<usize>,
    low: u8,
    /// Blocks without another coefficient, and the bits of coefficients in them.
    empty: u32,
    pending: Vec<bool>,
}

impl Writer {
    fn new(scan: &Scan) -> Self {
        let (dc, ac) = (Codes::new(0), Codes::new(1));
        let (band, low) = (scan.band.clone(), scan.low);
        Self { bits: Bits::default(), dc, ac, predictions: [0; 4], band, low, empty: 0, pending: Vec::new() }
    }

    fn symbol(&mut self, symbol: u8) {
        let (code, length) = self.ac.code(symbol);
        self.bits.put(code, length);
    }

    fn value(&mut self, value: i16, size: u32) {
        let value = i32::from(value);
        self.bits.put((if value < 0 { value - 1 } else { value } as u32) & ((1 << size) - 1), size);
    }

    fn difference(&mut self, component: usize, value: i16) {
        let difference = value - std::mem::replace(&mut self.predictions[component], value);
        let size = size_of(difference);
        let (code, length) = self.dc.code(size as u8);
        self.bits.put(code, length);
        self.value(difference, size);
    }

    fn whole(&mut self, component: usize, block: &[i16; 64]) {
        self.difference(component, block[0]);
        self.runs(block[1..].iter().copied());
        if block[63] == 0 {
            self.symbol(0);
        }
    }

    /// Values that are not zero with the zeros before them.
    fn runs(&mut self, values: impl Iterator<Item = i16>) {
        let mut zeros = 0;
        for value in values {
            if value == 0 {
                zeros += 1;
                continue;
            }
            self.end_of_bands();
            while zeros > 15 {
                self.symbol(0xF0);
                zeros -= 16;
            }
            let size = size_of(value);
            self.symbol(zeros << 4 | size as u8);
            self.value(value, size);
            zeros = 0;
        }
    }

    fn band(&mut self, block: &[i16; 64]) {
        let low = self.low;
        let shifted = |&value: &i16| if value < 0 { -(-value >> low) } else { value >> low };
        let band = &block[self.band.clone()];
        self.runs(band.iter().map(shifted));
        if band.last().is_none_or(|last| shifted(last) == 0) {
            self.empty += 1;
        }
    }

    fn band_bit(&mut self, block: &[i16; 64]) {
        let sizes: Vec<i16> = block[self.band.clone()].iter().map(|value| value.abs() >> self.low).collect();
        let last_new = sizes.iter().rposition(|&size| size == 1);
        let (mut zeros, mut bits) = (0u8, Vec::new());
        for (at, &size) in sizes.iter().enumerate() {
            if size == 0 {
                zeros += 1;
                continue;
            }
            while zeros > 15 && last_new.is_some_and(|last| at <= last) {
                self.end_of_bands();
                self.symbol(0xF0);
                bits.drain(..).for_each(|bit| self.bits.put(u32::from(bit), 1));
                zeros -= 16;
            }
            if size > 1 {
                bits.push(size & 1 == 1);
                continue;
            }
            self.end_of_bands();
            self.symbol(zeros << 4 | 1);
            self.bits.put(u32::from(block[self.band.start + at] > 0), 1);
            bits.drain(..).for_each(|bit| self.bits.put(u32::from(bit), 1));
            zeros = 0;
        }
        if zeros > 0 || !bits.is_empty() {
            self.empty += 1;
            self.pending.append(&mut bits);
        }
    }

    fn end_of_bands(&mut self) {
        if self.empty > 0 {
            let size = 31 - self.empty.leading_zeros();
            self.symbol((size << 4) as u8);
            self.bits.put(self.empty & ((1 << size) - 1), size);
            self.empty = 0;
            std::mem::take(&mut self.pending).into_iter().for_each(|bit| self.bits.put(u32::from(bit), 1));
        }
    }

    /// Fills the last byte with ones, and forgets what came before.
    fn end(&mut self, bytes: &mut Vec<u8>) {
        self.end_of_bands();
        while self.bits.count > 0 {
            self.bits.put(1, 1);
        }
        bytes.append(&mut self.bits.bytes);
        self.predictions = [0; 4];
    }
}

fn size_of(value: i16) -> u32 {
    16 - value.unsigned_abs().leading_zeros()
}

struct Random(u32);

impl Random {
    fn below(&mut self, limit: u32) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((u64::from(self.0 >> 8) * u64::from(limit)) >> 24) as usize
    }
}
