//! Read the numbers of a tensor on the CPU where they lie, and hand results back.

use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{DType, Device, Tensor, TensorData};

/// The f32 numbers of a tensor on the CPU device, row by row; nothing is copied unless the tensor is a view.
pub struct Host(FloatTensor<Flex>);

impl Host {
    /// `None` for other number types and other devices. What the tape knows of the tensor is left behind.
    pub fn read<const D: usize>(tensor: Tensor<D>) -> Option<Self> {
        let tensor = tensor.without_autodiff();
        if tensor.dtype() != DType::F32 {
            return None;
        }
        Some(Self(tensor.try_into_primitive::<Flex>().ok()?.to_contiguous()))
    }

    /// The numbers.
    pub fn values(&self) -> &[f32] {
        self.0.as_slice().expect("made contiguous, checked to be f32")
    }
}

impl Host {
    /// The numbers as a vector of the caller's own; nothing is copied if nobody else holds the tensor.
    pub fn into_values(self) -> Vec<f32> {
        self.0.into_data().try_into_vec().expect("checked to be f32")
    }
}

/// A tensor on the CPU device, off the tape.
pub fn from_host<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}
