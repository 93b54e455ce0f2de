//! Count the bytes that a loss in latents and states holds: under `invert` as many for a deep flow as for a shallow one.

use flowstill::burn::tensor::Device;
use flowstill::flows::{Flow, FlowConfig, Memory};
use flowstill::random;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

struct Counting;

fn grown(by: usize) {
    let now = NOW.fetch_add(by, Ordering::Relaxed) + by;
    PEAK.fetch_max(now, Ordering::Relaxed);
}

// SAFETY: every call is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        grown(size);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ROWS: usize = 16_384;

/// Bytes at the peak of one loss and its gradients, above those before it.
fn peak(steps: usize, memory: Memory) -> usize {
    let config = format!(r#"{{"kind":"realnvp","steps":{steps},"hidden":[8]}}"#);
    let config: FlowConfig = serde_json::from_str(&config).expect("valid");
    let architecture = config.assemble(4, 0, 1).expect("valid");
    let flow = Flow::new(&architecture, 1, &Device::default()).expect("valid").with_memory(memory).tracked();
    let x = random::normal_tensor([ROWS, 1, 1, 4], &mut random::stream(1, "rows", 0), &Device::default());
    let run = || {
        let (latents, log_det) = flow.forward(x.clone(), None).expect("fits");
        drop((latents.levels[0].clone().square().mean() + log_det.mean()).backward());
    };
    // Scratch that threads keep is there afterwards.
    (0..3).for_each(|_| run());
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    run();
    PEAK.load(Ordering::Relaxed) - before
}

#[test]
fn memory_grows_with_depth_unless_layers_are_undone() {
    let state = ROWS * 4 * size_of::<f32>();
    let grows = |memory| peak(24, memory).saturating_sub(peak(4, memory));
    let (stored, inverted) = (grows(Memory::Store), grows(Memory::Invert));
    // Twenty steps more: at least a state each where all is kept, weights and their gradients alone where layers are undone.
    assert!(stored > 20 * state, "stored: {stored} bytes more, of {state} a state");
    assert!(inverted < state, "inverted: {inverted} bytes more, of {state} a state");
}
