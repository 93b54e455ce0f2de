//! Look through a Parquet column's page headers, before anything is made room for on their word.
//!
//! The reader below allocates what a header says: 2 GB for a page, 16 GB for a dictionary. A header is a structure of Thrift's compact
//! protocol (`thrift-compact-protocol.md`); of its fields only sizes and the number of a dictionary's values are looked at.

/// What a column's pages claim: bytes that they unfold to, all together.
pub(crate) fn claimed(mut bytes: &[u8]) -> Result<u64, &'static str> {
    let mut total = 0_u64;
    while !bytes.is_empty() {
        let mut header = Header::default();
        let mut input = Input { bytes, depth: 0 };
        input.fields(&mut |input, field, kind| match (field, kind) {
            (2, I32) => input.number().map(|size| header.unfolded = Some(size)),
            (3, I32) => input.number().map(|size| header.stored = Some(size)),
            (7, STRUCT) => input.fields(&mut |input, field, kind| match (field, kind) {
                (1, I32) => input.number().map(|count| header.values = count),
                _ => input.skip(kind),
            }),
            _ => input.skip(kind),
        })?;
        let (unfolded, stored) = (header.unfolded.ok_or(CUT)?, header.stored.ok_or(CUT)?);
        if header.values > unfolded {
            return Err("a dictionary of more values than bytes");
        }
        total = total.saturating_add(unfolded.max(stored));
        bytes = usize::try_from(stored).ok().and_then(|stored| input.bytes.get(stored..)).ok_or(CUT)?;
    }
    Ok(total)
}

#[derive(Default)]
struct Header {
    unfolded: Option<u64>,
    stored: Option<u64>,
    values: u64,
}

const CUT: &str = "a broken page header";
const I32: u8 = 5;
const STRUCT: u8 = 12;

struct Input<'a> {
    bytes: &'a [u8],
    depth: u32,
}

type Field<'f> = &'f mut dyn FnMut(&mut Input<'_>, i64, u8) -> Result<(), &'static str>;

impl Input<'_> {
    /// Visits the fields of a structure up to its end.
    fn fields(&mut self, visit: Field<'_>) -> Result<(), &'static str> {
        let mut field = 0_i64;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            field = match head >> 4 {
                0 => zigzag(self.varint()?),
                step => field.saturating_add(i64::from(step)),
            };
            visit(self, field, head & 15)?;
        }
    }

    fn skip(&mut self, kind: u8) -> Result<(), &'static str> {
        match kind {
            1 | 2 => Ok(()),
            3 => self.take(1),
            4..=6 => self.varint().map(drop),
            7 => self.take(8),
            8 => {
                let length = self.varint()?;
                self.take(length)
            }
            9 | 10 => {
                let head = self.byte()?;
                let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
                (0..count).try_for_each(|_| self.item(head & 15))
            }
            11 => {
                let count = self.varint()?;
                let kinds = if count == 0 { 0 } else { self.byte()? };
                (0..count).try_for_each(|_| self.item(kinds >> 4).and_then(|()| self.item(kinds & 15)))
            }
            STRUCT if self.depth < 16 => {
                self.depth += 1;
                let inside = self.fields(&mut |input, _, kind| input.skip(kind));
                self.depth -= 1;
                inside
            }
            _ => Err(CUT),
        }
    }

    /// An item of a list takes a byte even where it is a truth value, so that no list is longer than its bytes.
    fn item(&mut self, kind: u8) -> Result<(), &'static str> {
        if kind <= 2 { self.take(1) } else { self.skip(kind) }
    }

    fn byte(&mut self) -> Result<u8, &'static str> {
        let (&first, rest) = self.bytes.split_first().ok_or(CUT)?;
        self.bytes = rest;
        Ok(first)
    }

    fn take(&mut self, count: u64) -> Result<(), &'static str> {
        self.bytes = usize::try_from(count).ok().and_then(|count| self.bytes.get(count..)).ok_or(CUT)?;
        Ok(())
    }

    fn varint(&mut self) -> Result<u64, &'static str> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Ok(value);
            }
        }
        Err(CUT)
    }

    /// A number that says how many: never below 0.
    fn number(&mut self) -> Result<u64, &'static str> {
        let number = zigzag(self.varint()?);
        u64::try_from(number).map_err(|_| "a size below 0")
    }
}

fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_found_and_lies_are_refused() {
        // Fields 1 to 3 (kind 2: a dictionary, 16 bytes of 5 stored), 7: a structure of 2 values.
        let page = |unfolded: u8, values: u8| {
            let head = [0x15, 4, 0x15, 2 * unfolded, 0x15, 10, 0x4c, 0x15, 2 * values, 0, 0];
            [&head[..], b"12345"].concat()
        };
        assert_eq!(claimed(&[page(16, 2), page(20, 5)].concat()), Ok(36));
        assert!(claimed(&page(16, 17)).unwrap_err().contains("dictionary"));
        assert_eq!(claimed(&page(16, 2)[..14]), Err(CUT));
        assert_eq!(claimed(&[0x15, 4, 0x15, 3]), Err("a size below 0"));
        // Structures in structures, and a list that claims more than there is.
        assert_eq!(claimed(&[0x1c; 100]), Err(CUT));
        assert_eq!(claimed(&[0x19, 0xf1, 0xff, 0xff, 0xff, 0xff, 0x0f]), Err(CUT));
    }
}
