//! Count what a loaded flow asks of the allocator: nothing, once a thread has scored a batch of the size.

mod families;

use families::{FLOWS, flow};
use flowstill::file::{TrainingFacts, save};
use flowstill::model::{Model, Standardization};
use flowstill_runtime::Model as Runtime;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

static COUNT: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: every call is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of one run after some to warm up.
fn allocations(mut run: impl FnMut()) -> usize {
    (0..20).for_each(|_| run());
    let before = COUNT.load(Ordering::Relaxed);
    run();
    COUNT.load(Ordering::Relaxed) - before
}

#[test]
fn calls_of_one_tile_allocate_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("flow.safetensors");
    for (text, event) in FLOWS {
        for context in [0, 2] {
            let flow = flow(text, *event, context);
            let standardization = Standardization::identity(event[2], context);
            let facts = TrainingFacts::default();
            save(&Model { flow, standardization, pictures: None, dequantizer: None, facts }, &path).expect("writes");
            let model = Runtime::load(&path).expect(text);
            let d = model.columns();
            // A tile of a picture may be a single one.
            for rows in if event[0] == 1 { [1, 16] } else { [1, 1] } {
                let (x, c) = (vec![0.3_f64; rows * d], vec![0.1_f64; rows * context]);
                let (mut out, mut density) = (vec![0.0_f64; rows * d], vec![0.0_f64; rows]);
                let scored = allocations(|| model.log_prob(&x, &c, &mut density).expect("scores"));
                let encoded = allocations(|| model.encode(&x, &c, &mut out).expect("encodes"));
                let decoded = allocations(|| model.decode(&x, &c, &mut out).expect("decodes"));
                let drawn = allocations(|| model.sample(1, 1.0, &c, &mut out).expect("draws"));
                assert_eq!([scored, encoded, decoded, drawn], [0; 4], "{text} {context} {rows}");
            }
        }
    }
}
