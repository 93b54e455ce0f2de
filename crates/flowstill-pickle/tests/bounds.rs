//! Count the memory that hostile pickles take: less than 256 bytes for each of their own, and no recursion.

use flowstill_pickle::{Meaning, Node, read};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The system's allocator, with the bytes in use and their peak.
struct Counting;

static USED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(USED.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Whether it was read; the memory is held to the bound.
fn bounded(what: &str, bytes: &[u8]) -> bool {
    let before = USED.load(Relaxed);
    PEAK.store(before, Relaxed);
    let read = read(bytes, &|_| Some(Meaning::Call)).is_ok();
    let (taken, allowed) = (PEAK.load(Relaxed) - before, 256 * bytes.len() + 4096);
    assert!(taken <= allowed, "{what}: {taken} bytes for {}", bytes.len());
    read
}

fn repeated(start: &[u8], part: &[u8], end: &[u8]) -> Vec<u8> {
    [start, &part.repeat((1 << 20) / part.len()), end].concat()
}

/// One test, for the counts are of the whole process.
#[test]
fn memory_is_a_multiple_of_the_file() {
    let label = [b"X\x00\x00\x08\x00", &[b'a'; 1 << 19][..], b"q\x00"].concat();
    let listed = [b"](", &label[..]].concat();
    for (what, bytes) in [
        ("nested tuples", repeated(b")", b"\x85", b".")),
        ("nested lists", repeated(b"]", b"]a", b".")),
        ("single items", repeated(b"(", b"]Na", b"t.")),
        ("single pairs", repeated(b"(", b"}NNs", b"t.")),
        ("plain values", repeated(b"(", b"N", b"t.")),
        ("duplicates", repeated(b"(N", b"2", b"t.")),
        ("remembered values", repeated(b"N", b"\x94", b".")),
        ("numbered memories", repeated(b"(N", b"q\x07\x94", b"t.")),
        ("a remembered label", repeated(&listed, b"h\x00", b"e.")),
        ("a list doubled in itself", repeated(b"]q\x00", b"h\x00h\x00\x86a", b".")),
        ("a label as module and name", repeated(&label, b"h\x00h\x00\x930", b".")),
        ("calls of calls", repeated(b"cm\nn\n", b")R", b".")),
        ("states", repeated(b"cm\nn\n)R", b"Nb", b".")),
        ("persistent ids", repeated(b"N", b"Q", b".")),
    ] {
        assert!(bounded(what, &bytes), "{what} is read");
    }
    for (what, bytes) in [
        ("marks alone", repeated(b"", b"(", b"")),
        ("a count of 2^64 - 1", b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff".to_vec()),
        ("a count of 2^32 - 1", b"T\xff\xff\xff\xff".to_vec()),
        ("a long of 2^32 - 1 bytes", b"\x8b\xff\xff\xff\xff".to_vec()),
        ("a name without an end", repeated(b"c", b"m", b"")),
    ] {
        assert!(!bounded(what, &bytes), "{what} is refused");
    }
    // A number of a memory is no size.
    assert!(bounded("the last memory", b"Nr\xff\xff\xff\xff."));
    // A list that holds itself is a list with an index in it.
    let circle = read(b"]q\x00h\x00a.", &|_| None).unwrap();
    assert_eq!(circle.root(), &Node::List(vec![circle.root_id()]));
}
