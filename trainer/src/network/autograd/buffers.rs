//! Memory of activations and gradients, used again from step to step.
//!
//! A step of a network with batch normalization writes hundreds of megabytes. Fresh from the operating system they cost a
//! tenth of the step: a fault for each page, and zeros that nobody reads. Every thread that trains keeps the memory of what it no
//! longer needs, and gives up what a whole step has not taken.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::ops::Deref;

use candle_core::{CpuStorage, InplaceOp1, Layout, Result, Storage, Tensor};
use rayon::prelude::*;

/// A buffer may have up to so many times the values that are asked for.
const LARGEST: usize = 2;

/// Values that one thread clears at once.
const CLEARED: usize = 1 << 16;

/// What a thread keeps.
#[derive(Default)]
pub struct Spare {
    /// Each with the step in which it was given.
    pub buffers: Vec<(Vec<f32>, u64)>,
    /// Lengths that were asked for, each with the last step in which it was.
    asked: Vec<(usize, u64)>,
    /// Backward passes that have begun.
    step: u64,
}

thread_local! {
    static SPARE: RefCell<Spare> = RefCell::default();
}

/// `length` values, whatever they are: for an operation that writes all of them.
pub fn take(length: usize) -> Vec<f32> {
    let spare = SPARE.with_borrow_mut(|spare| {
        match spare.asked.iter_mut().find(|(asked, _)| *asked == length) {
            Some((_, step)) => *step = spare.step,
            None => spare.asked.push((length, spare.step)),
        }
        let fitting = spare.buffers.iter().enumerate().filter(|(_, (buffer, _))| fits(buffer, length));
        // Of equals the one that was given last: those that are too many are never taken.
        let (index, _) = fitting.min_by_key(|(_, (buffer, step))| (buffer.capacity(), Reverse(*step)))?;
        Some(spare.buffers.swap_remove(index).0)
    });
    match spare {
        Some(mut buffer) => {
            buffer.resize(length, 0.0);
            buffer
        }
        None => rayon::iter::repeat_n(0.0, length).collect(),
    }
}

/// Zeros, written by all threads: at the sizes of activations one thread takes a tenth of the step for them.
pub fn zeros(length: usize) -> Vec<f32> {
    let mut buffer = take(length);
    buffer.par_chunks_mut(CLEARED).for_each(|values| values.fill(0.0));
    buffer
}

/// Whether a buffer can be taken for so many values.
fn fits(buffer: &Vec<f32>, length: usize) -> bool {
    (length..=length * LARGEST).contains(&buffer.capacity())
}

/// Keeps a buffer for [`take`], if such are taken: some operations have memory of their own.
pub fn give(buffer: Vec<f32>) {
    SPARE.with_borrow_mut(|spare| {
        if spare.asked.iter().any(|(length, _)| fits(&buffer, *length)) {
            spare.buffers.push((buffer, spare.step));
        }
    });
}

/// Begins a step, and gives back to the system what the step before did not take.
pub fn next_step() {
    SPARE.with_borrow_mut(|spare| {
        spare.step += 1;
        let step = spare.step;
        spare.buffers.retain(|(_, given)| given + 1 >= step);
        spare.asked.retain(|(_, asked)| asked + 1 >= step);
    });
}

/// The memory that training on this thread keeps for its next step: given back to the system when this is dropped.
#[must_use]
pub struct KeptMemory;

impl Drop for KeptMemory {
    fn drop(&mut self) {
        SPARE.take();
    }
}

/// Shows what is kept.
#[cfg(test)]
pub fn edit(edit: impl FnOnce(&mut Spare)) {
    SPARE.with_borrow_mut(edit);
}

/// Keeps the memory of a tensor, which nobody reads any more: whatever shares it is empty from now on.
///
/// # Errors
/// Those of candle.
pub fn recycle(tensor: &Tensor) -> Result<()> {
    tensor.inplace_op1(&Recycle)
}

struct Recycle;

impl InplaceOp1 for Recycle {
    fn name(&self) -> &'static str {
        "recycle"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, _: &Layout) -> Result<()> {
        if let CpuStorage::F32(values) = storage {
            give(std::mem::take(values));
        }
        Ok(())
    }
}

/// Whether two tensors have the same memory.
///
/// # Errors
/// Those of candle.
pub fn shared(one: &Tensor, other: &Tensor) -> Result<bool> {
    let start = |tensor: &Tensor| match &*tensor.storage_and_layout().0 {
        Storage::Cpu(storage) => Ok(storage.as_slice::<f32>()?.as_ptr()),
        _ => candle_core::bail!("training runs on the CPU"),
    };
    Ok(start(one)? == start(other)?)
}

/// Values whose memory is kept for [`take`] when they are dropped.
pub struct Buffer(pub Vec<f32>);

impl Deref for Buffer {
    type Target = Vec<f32>;

    fn deref(&self) -> &Vec<f32> {
        &self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        give(std::mem::take(&mut self.0));
    }
}
