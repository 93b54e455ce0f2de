//! Say in one line why bytes are no pickle that can be read.

/// Why a pickle was not read. What is quoted from the file holds no control characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PickleError {
    /// The bytes end within the program.
    #[error("a pickle cut short: {needed} more bytes expected, {left} are left")]
    Truncated {
        /// Bytes that the next piece takes.
        needed: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// It names something that the caller does not expect.
    #[error("the unexpected name `{0}`")]
    Unknown(String),
    /// It calls a name that the caller expects to be named only, or without the arguments that it needs.
    #[error("an unexpected call of `{0}`")]
    Call(String),
    /// An instruction that no pickle of protocol 2 or later by a known writer has.
    #[error("the pickle instruction 0x{code:02x} at byte {at}")]
    Instruction {
        /// The instruction.
        code: u8,
        /// Where it stands.
        at: usize,
    },
    /// The program contradicts itself.
    #[error("no well-formed pickle: {what} near byte {at}")]
    Malformed {
        /// What is missing or wrong.
        what: &'static str,
        /// Where reading stopped.
        at: usize,
    },
}
