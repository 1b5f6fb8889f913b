//! Cycles, modeled: the instructions that a trace of the emulator shows, each with the cycles of its core's manual.
//!
//! | | Cortex-M4 and M3 (Technical Reference Manuals, 3.3) | Cortex-M0+ (3.3; the multiplier of one cycle) |
//! |---|---|---|
//! | a load or a store | 2, directly behind another one 1; a store to a constant offset 1 | 2 |
//! | n words by LDM, LDRD, PUSH and so on | 1 + n | 1 + n |
//! | a branch that is taken | 1 + 2, to fill the pipeline | 2; BL 3 |
//! | a load of PC | 2 more | 2 more |
//! | a division | 12, the most it takes | none |
//! | on the M3 alone: MLA and MLS | 2 | none |
//! | on the M3 alone: products of 64 bits | 4, of 3 to 5 | none |
//! | all other instructions | 1 | 1 |
//!
//! Memory answers without wait states, and no bus is shared: flash behind caches or without them costs more. The pipeline
//! of the M4 and the M3 takes 1 to 3 cycles to fill, by where a branch leads; 2 stands for all.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};

use serde::{Deserialize, Serialize};

use crate::Outcome;

/// A core whose cycles are modeled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Core {
    M3,
    M4,
    M0Plus,
}

/// An instruction as the emulator disassembles it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Instruction {
    address: u32,
    bytes: u32,
    mnemonic: String,
    operands: String,
}

/// What an instruction does to the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Load,
    /// To a constant offset, or to one that a register holds.
    Store {
        constant: bool,
    },
    /// Of so many words, the last into the program counter or not.
    Many {
        words: u32,
        branches: bool,
    },
    Branch {
        links: bool,
    },
    TableBranch,
    Divide,
    Other,
}

/// Instructions that run one after the other, to the next branch.
#[derive(Clone, Debug, Default)]
struct Block {
    instructions: u64,
    /// Where the last one does not branch.
    cycles: u64,
    /// More where it does.
    taken: u64,
    /// Where execution goes on then.
    next: u32,
}

/// Instructions and cycles of a function or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    pub instructions: u64,
    pub cycles: u64,
}

/// Prints instructions and cycles of an image, the mean of `images`, as a line of JSON; with `functions` before it those of each
/// function that takes at least a hundredth of the cycles.
pub fn print(core: &str, trace: &str, images: &str, functions: bool) -> Outcome<()> {
    let core = match core {
        "M3" => Core::M3,
        "M4F" => Core::M4,
        "M0+" => Core::M0Plus,
        _ => return Err(format!("no model of the cycles of {core}; there are M0+, M3 and M4F").into()),
    };
    let images: u64 = images.parse()?;
    let costs = costs(core, BufReader::new(File::open(trace)?))?;
    let total = costs.values().fold(Cost::default(), |sum, cost| Cost {
        instructions: sum.instructions + cost.instructions,
        cycles: sum.cycles + cost.cycles,
    });
    if total.instructions == 0 || images == 0 {
        return Err("nothing was executed between trace_begins and trace_ends".into());
    }
    if functions {
        let mut sorted: Vec<_> = costs.iter().filter(|(_, cost)| cost.cycles * 100 >= total.cycles).collect();
        sorted.sort_by_key(|(_, cost)| std::cmp::Reverse(cost.cycles));
        for (name, cost) in sorted {
            println!("{:12} {:12} {name}", cost.instructions / images, cost.cycles / images);
        }
    }
    let Cost { instructions, cycles } = total;
    println!("{}", serde_json::to_string(&Cost { instructions: instructions / images, cycles: cycles / images })?);
    Ok(())
}

/// What each function took between the marks.
fn costs(core: Core, trace: impl BufRead) -> Outcome<BTreeMap<String, Cost>> {
    let mut blocks: BTreeMap<u32, Block> = BTreeMap::new();
    let mut costs: BTreeMap<String, Cost> = BTreeMap::new();
    let mut translated: Vec<Instruction> = Vec::new();
    let mut counting = false;
    // The block before, whose last branch is known to be taken once the next one is.
    let mut before: Option<(u32, String)> = None;
    for line in trace.split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        if let Some(instruction) = line.strip_prefix("0x").and_then(instruction) {
            translated.push(instruction);
            continue;
        }
        let Some((start, function)) = executed(&line) else { continue };
        if let Some(first) = translated.first() {
            blocks.insert(first.address, block(core, &translated));
            translated.clear();
        }
        if let Some((place, function)) = before.take()
            && let Some(block) = blocks.get(&place)
        {
            let cost = costs.entry(function).or_default();
            cost.instructions += block.instructions;
            cost.cycles += block.cycles + if start == block.next { 0 } else { block.taken };
        }
        match function {
            _ if function.contains("trace_begins") => counting = true,
            _ if function.contains("trace_ends") => counting = false,
            _ if counting => before = Some((start, function.to_owned())),
            _ => {}
        }
    }
    Ok(costs)
}

/// `Trace 0: 0x7fbddc000100 [00800408/00000400/00000110/ff000200] Reset`: where the block begins, and in which function.
fn executed(line: &str) -> Option<(u32, &str)> {
    let (_, rest) = line.strip_prefix("Trace ")?.split_once('[')?;
    let (places, function) = rest.split_once(']')?;
    let start = u32::from_str_radix(places.split('/').nth(1)?, 16).ok()?;
    Some((start, function.trim()))
}

/// `00000404:  480e       ldr      r0, [pc, #0x38]`.
fn instruction(line: &str) -> Option<Instruction> {
    let (address, rest) = line.split_once(':')?;
    let address = u32::from_str_radix(address, 16).ok()?;
    let mut rest = rest.trim_start();
    let mut bytes = 0;
    while let Some((word, after)) = rest.split_at_checked(4)
        && bytes < 4
        && word.bytes().all(|digit| digit.is_ascii_hexdigit())
        && after.starts_with([' ', '\n'])
    {
        bytes += 2;
        rest = after.trim_start();
    }
    let (mnemonic, operands) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    (bytes > 0).then(|| Instruction {
        address,
        bytes,
        mnemonic: mnemonic.trim_end_matches(".w").trim_end_matches(".n").to_owned(),
        operands: operands.trim().to_owned(),
    })
}

fn block(core: Core, instructions: &[Instruction]) -> Block {
    let mut block = Block::default();
    let mut before = None;
    for instruction in instructions {
        let class = instruction.class();
        let [cycles, taken] = match core {
            Core::M3 | Core::M4 => instruction.cycles_m4(class, before),
            Core::M0Plus => instruction.cycles_m0_plus(class),
        };
        block.instructions += 1;
        block.cycles += cycles + if core == Core::M3 { instruction.more_on_m3() } else { 0 };
        block.taken = taken;
        block.next = instruction.address + instruction.bytes;
        before = Some((class, instruction));
    }
    block
}

impl Instruction {
    fn class(&self) -> Class {
        let name = self.mnemonic.as_str();
        let into_pc = self.operands.starts_with("pc,");
        match name {
            _ if name.starts_with("ldrd") || name.starts_with("strd") => Class::Many { words: 2, branches: false },
            _ if name.starts_with("ldr") && into_pc => Class::Many { words: 1, branches: true },
            _ if name.starts_with("ldr") || name.starts_with("vldr") => Class::Load,
            _ if name.starts_with("str") || name.starts_with("vstr") => {
                // A register as an offset: `r0, [r1, r2]`.
                let constant = !self.operands.contains("], r")
                    && self.operands.split_once('[').is_none_or(|(_, address)| !address.contains(", r"));
                Class::Store { constant }
            }
            _ if ["ldm", "stm", "push", "pop", "vldm", "vstm", "vpush", "vpop"]
                .iter()
                .any(|many| name.starts_with(many)) =>
            {
                Class::Many {
                    words: self.registers(),
                    branches: self.operands.contains("pc") && !name.starts_with('s'),
                }
            }
            _ if name.starts_with("tbb") || name.starts_with("tbh") => Class::TableBranch,
            _ if name.starts_with("sdiv") || name.starts_with("udiv") => Class::Divide,
            "bl" | "blx" => Class::Branch { links: true },
            "bx" | "cbz" | "cbnz" | "b" => Class::Branch { links: false },
            // beq, bne and so on, and not bic, bfi or bkpt.
            _ if name.len() == 3 && name.starts_with('b') && !["bic", "bfi", "bfc"].contains(&name) => {
                Class::Branch { links: false }
            }
            _ if into_pc => Class::Branch { links: false },
            _ => Class::Other,
        }
    }

    /// Registers in the braces, `{r4-r7, lr}` being five.
    fn registers(&self) -> u32 {
        let number = |register: &str| match register.trim() {
            "sb" => 9,
            "sl" => 10,
            "fp" => 11,
            "ip" => 12,
            register => register.trim_start_matches(['r', 's', 'd']).parse::<u32>().unwrap_or(0),
        };
        let braces = self.operands.split_once('{').map_or("", |(_, registers)| registers.trim_end_matches('}'));
        braces
            .split(',')
            .map(|range| {
                range.split_once('-').map_or(1, |(first, last)| number(last).saturating_sub(number(first)) + 1)
            })
            .sum()
    }

    /// The register that a load writes.
    fn written(&self) -> &str {
        self.operands.split(',').next().unwrap_or("").trim()
    }

    /// Cycles, and how many more where it branches.
    fn cycles_m4(&self, class: Class, before: Option<(Class, &Self)>) -> [u64; 2] {
        const REFILL: u64 = 2;
        let behind_another = before.is_some_and(|(class, other)| match class {
            // An address that has just been loaded is waited for.
            Class::Load => {
                let address = self.operands.split_once('[').map_or("", |(_, address)| address);
                !address.split([',', ']']).any(|register| register.trim() == other.written())
            }
            Class::Store { constant } => constant,
            _ => false,
        });
        match class {
            Class::Load | Class::Store { constant: false } => [if behind_another { 1 } else { 2 }, 0],
            Class::Many { words, branches: true } => [1 + u64::from(words), REFILL],
            Class::Many { words, .. } => [1 + u64::from(words), 0],
            Class::Branch { .. } => [1, REFILL],
            Class::TableBranch => [2, REFILL],
            Class::Divide => [12, 0],
            Class::Store { constant: true } | Class::Other => [1, 0],
        }
    }

    /// Cycles more than on an M4, whose multipliers are wider.
    fn more_on_m3(&self) -> u64 {
        match self.mnemonic.as_str() {
            name if name.starts_with("mla") || name.starts_with("mls") => 1,
            name if ["umull", "smull", "umlal", "smlal"].iter().any(|long| name.starts_with(long)) => 3,
            _ => 0,
        }
    }

    /// Cycles, and how many more where it branches.
    fn cycles_m0_plus(&self, class: Class) -> [u64; 2] {
        match class {
            Class::Load | Class::Store { .. } => [2, 0],
            Class::Many { words, branches: true } => [1 + u64::from(words), 2],
            Class::Many { words, .. } => [1 + u64::from(words), 0],
            Class::Branch { links: true } => [1, 2],
            Class::Branch { links: false } => [1, 1],
            // ARMv6-M has neither.
            Class::TableBranch | Class::Divide | Class::Other => [1, 0],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What QEMU 7.2 writes, shortened: a loop of two rounds between the marks.
    const TRACE: &str = "\
----------------
IN: _ZN14firmware_tests5trace12trace_begins17h0E
0x00000100:  4770       bx       lr

Trace 0: 0x7f [00800408/00000100/00000110/ff000200] _ZN14firmware_tests5trace12trace_begins17h0E
----------------
IN: sum
0x00000200:  e9d0 1200  ldrd     r1, r2, [r0]
0x00000204:  6803       ldr      r3, [r0]
0x00000206:  6844       ldr      r4, [r0, #4]
0x00000208:  6825       ldr      r5, [r4]
0x0000020a:  fb21 2304  smlad    r3, r1, r4, r2
0x0000020e:  6003       str      r3, [r0]
0x00000210:  5083       str      r3, [r0, r2]
0x00000212:  d1f5       bne      #0x200

Trace 0: 0x7f [00800408/00000200/00000110/ff000200] sum
Trace 0: 0x7f [00800408/00000200/00000110/ff000200] sum
----------------
IN: sum
0x00000214:  bdf0       pop      {r4, r5, r6, r7, pc}

Trace 0: 0x7f [00800408/00000214/00000110/ff000200] sum
----------------
IN: _ZN14firmware_tests5trace10trace_ends17h0E
0x00000300:  4770       bx       lr

Trace 0: 0x7f [00800408/00000300/00000110/ff000200] _ZN14firmware_tests5trace10trace_ends17h0E
Trace 0: 0x7f [00800408/00000200/00000110/ff000200] sum
";

    #[test]
    fn what_is_executed_between_the_marks_has_the_cycles_of_the_manuals() {
        let cost = |core| costs(core, TRACE.as_bytes()).unwrap()["sum"];
        // Of a round: 3, 2, 1, 2 (its address was loaded just before), 1, 1, 1, and the branch.
        assert_eq!(cost(Core::M4), Cost { instructions: 17, cycles: (11 + 3) + (11 + 1) + 6 + 2 });
        // A core without LDRD and SMLAD, but with these rules.
        assert_eq!(cost(Core::M0Plus), Cost { instructions: 17, cycles: (14 + 2) + (14 + 1) + 6 + 2 });
    }

    #[test]
    fn an_m3_multiplies_and_adds_in_two_cycles() {
        let more = |line: &str| instruction(line).unwrap().more_on_m3();
        assert_eq!(more("00000000:  fb01 2304  mla      r3, r1, r4, r2"), 1);
        assert_eq!(more("00000000:  fb81 2304  smull    r2, r3, r1, r4"), 3);
        assert_eq!(more("00000000:  fb01 f304  mul      r3, r1, r4"), 0);
    }

    #[test]
    fn lists_of_registers_are_counted_and_branches_told_from_bit_fields() {
        let parsed = |line: &str| instruction(line).unwrap();
        let words = |line| parsed(line).class();
        assert_eq!(words("00000000:  e92d 4ff0  push.w   {r4-r11, lr}"), Class::Many { words: 9, branches: false });
        assert_eq!(
            words("00000000:  c907       ldm      r1!, {r0, r1, r2}"),
            Class::Many { words: 3, branches: false }
        );
        assert_eq!(words("00000000:  f36f 0207  bfc      r2, #0, #8"), Class::Other);
        assert_eq!(words("00000000:  d0fe       beq      #0x0"), Class::Branch { links: false });
        assert_eq!(words("00000000:  f000 f801  bl       #0x6"), Class::Branch { links: true });
        assert_eq!(words("00000000:  f85d fb04  ldr      pc, [sp], #4"), Class::Many { words: 1, branches: true });
        assert_eq!(parsed("00000000:  fb21 2304  smlad    r3, r1, r4, r2").bytes, 4);
    }
}
