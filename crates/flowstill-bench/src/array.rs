//! Write values as NumPy's `.npy`, for peers that read nothing else.

use std::path::Path;

/// Row-major f32 of the given shape.
pub fn write_npy(path: &Path, shape: &[usize], values: &[f32]) -> std::io::Result<()> {
    let shape: String = shape.iter().map(|length| format!("{length}, ")).collect();
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}");
    // Magic, version, length and header together fill whole blocks of 64 bytes, the last of them a line end.
    let blanks = 63 - (10 + header.len()) % 64;
    header.extend(std::iter::repeat_n(' ', blanks));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    std::fs::write(path, bytes)
}
