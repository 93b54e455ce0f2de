//! Hold named tensors, so that training, saving and copying need no knowledge of the layers that own them.

use burn::tensor::{DType, Device, Tensor, TensorData};

pub use flowstill_runtime::architecture::Role;

/// One tensor of a layer, kept flat so that an optimiser sees vectors alone.
#[derive(Clone, Debug)]
pub struct Param {
    value: Tensor<1>,
    shape: Vec<usize>,
    role: Role,
}

impl Param {
    /// A trainable tensor of the given shape, row-major.
    pub fn new(values: Vec<f32>, shape: &[usize], device: &Device) -> Self {
        Self::with_role(values, shape, Role::Trainable, device)
    }

    /// A tensor of zeros.
    pub fn zeros(shape: &[usize], device: &Device) -> Self {
        Self::new(vec![0.0; shape.iter().product()], shape, device)
    }

    /// A saved tensor that no optimiser moves.
    pub fn buffer(values: Vec<f32>, shape: &[usize], device: &Device) -> Self {
        Self::with_role(values, shape, Role::Buffer, device)
    }

    /// A tensor that follows from the configuration.
    pub fn constant(values: Vec<f32>, shape: &[usize], device: &Device) -> Self {
        Self::with_role(values, shape, Role::Constant, device)
    }

    fn with_role(values: Vec<f32>, shape: &[usize], role: Role, device: &Device) -> Self {
        debug_assert_eq!(values.len(), shape.iter().product::<usize>());
        let value = Tensor::from_data(TensorData::new(values, [shape.iter().product::<usize>()]), device);
        Self { value, shape: shape.to_vec(), role }
    }

    /// The tensor in its own shape.
    pub fn tensor<const D: usize>(&self) -> Tensor<D> {
        debug_assert_eq!(D, self.shape.len());
        let shape: [usize; D] = std::array::from_fn(|i| self.shape[i]);
        self.value.clone().reshape(shape)
    }

    /// The tensor as one row that broadcasts over `[batch, height, width, channels]`.
    pub fn per_channel(&self) -> Tensor<4> {
        self.value.clone().reshape([1, 1, 1, self.len()])
    }

    /// The flat tensor.
    pub fn flat(&self) -> &Tensor<1> {
        &self.value
    }

    /// Replace the flat tensor; its length must stay.
    pub fn set(&mut self, value: Tensor<1>) {
        debug_assert_eq!(value.dims()[0], self.len());
        self.value = value;
    }

    /// Replace the values, keeping device and number type.
    pub fn set_values(&mut self, values: Vec<f32>) {
        debug_assert_eq!(values.len(), self.len());
        let (device, dtype) = (self.value.device(), self.value.dtype());
        let length = values.len();
        self.value = Tensor::from_data(TensorData::new(values, [length]).convert_dtype(dtype), (&device, dtype));
    }

    /// The values on the host, as f32.
    pub fn values(&self) -> Vec<f32> {
        to_f32(self.value.clone())
    }

    /// The values on the host, as f64.
    pub fn values_f64(&self) -> Vec<f64> {
        to_f64(self.value.clone())
    }

    /// Convert the numbers; law tests run in f64.
    pub fn cast(&mut self, dtype: DType) {
        self.value = self.value.clone().cast(dtype);
    }

    /// Move to another device.
    pub fn to_device(&mut self, device: &Device) {
        self.value = self.value.clone().to_device(device);
    }

    /// The shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What becomes of this tensor.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Whether an optimiser moves this tensor.
    pub fn is_trainable(&self) -> bool {
        self.role == Role::Trainable
    }
}

/// Read a float tensor of any number type into host f32 values.
pub fn to_f32<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.without_autodiff().into_data().convert::<f32>().try_into_vec().expect("converted to f32 just before")
}

/// Read a float tensor of any number type into host f64 values.
pub fn to_f64<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.without_autodiff().into_data().convert::<f64>().try_into_vec().expect("converted to f64 just before")
}

/// Anything made of named tensors. Names are field names joined by dots and never change between versions.
pub trait Parameters {
    /// Append every tensor with its name under `path`.
    fn collect<'a>(&'a self, path: &str, out: &mut Vec<(String, &'a Param)>);
    /// The same, mutable, in the same order.
    fn collect_mut<'a>(&'a mut self, path: &str, out: &mut Vec<(String, &'a mut Param)>);

    /// Every tensor with its name.
    fn params(&self) -> Vec<(String, &Param)> {
        let mut out = Vec::new();
        self.collect("", &mut out);
        out
    }

    /// Every tensor with its name, mutable.
    fn params_mut(&mut self) -> Vec<(String, &mut Param)> {
        let mut out = Vec::new();
        self.collect_mut("", &mut out);
        out
    }
}

/// A number that changes whenever a saved value does.
pub(crate) fn fingerprint(parameters: &impl Parameters) -> u64 {
    let saved = parameters.params().into_iter().filter(|(_, param)| param.role() != Role::Constant);
    saved.flat_map(|(_, param)| param.values()).fold(0xcbf2_9ce4_8422_2325_u64, |hash, value| {
        (hash ^ u64::from(value.to_bits())).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The device that holds the first tensor; the CPU where there is none.
pub(crate) fn device_of<P: Parameters + ?Sized>(parameters: &P) -> Device {
    let mut all = Vec::new();
    parameters.collect("", &mut all);
    all.first().map_or_else(crate::device::cpu, |(_, param)| param.flat().device().without_autodiff())
}

/// The number of values that an optimiser moves.
pub(crate) fn trainable_count<P: Parameters + ?Sized>(parameters: &P) -> usize {
    let mut all = Vec::new();
    parameters.collect("", &mut all);
    all.iter().filter(|(_, param)| param.is_trainable()).map(|(_, param)| param.len()).sum()
}

/// Take every tensor off its tape.
pub(crate) fn freeze(parameters: &mut impl Parameters) {
    parameters.params_mut().into_iter().for_each(|(_, param)| param.set(param.flat().clone().without_autodiff()));
}

/// Join two parts of a tensor's name.
pub fn join(path: &str, name: &str) -> String {
    match (path.is_empty(), name.is_empty()) {
        (true, _) => name.to_string(),
        (_, true) => path.to_string(),
        _ => format!("{path}.{name}"),
    }
}

impl Parameters for Param {
    fn collect<'a>(&'a self, path: &str, out: &mut Vec<(String, &'a Param)>) {
        out.push((path.to_string(), self));
    }
    fn collect_mut<'a>(&'a mut self, path: &str, out: &mut Vec<(String, &'a mut Param)>) {
        out.push((path.to_string(), self));
    }
}

impl<T: Parameters> Parameters for Vec<T> {
    fn collect<'a>(&'a self, path: &str, out: &mut Vec<(String, &'a Param)>) {
        for (index, item) in self.iter().enumerate() {
            item.collect(&join(path, &index.to_string()), out);
        }
    }
    fn collect_mut<'a>(&'a mut self, path: &str, out: &mut Vec<(String, &'a mut Param)>) {
        for (index, item) in self.iter_mut().enumerate() {
            item.collect_mut(&join(path, &index.to_string()), out);
        }
    }
}

impl<T: Parameters> Parameters for Option<T> {
    fn collect<'a>(&'a self, path: &str, out: &mut Vec<(String, &'a Param)>) {
        if let Some(item) = self {
            item.collect(path, out);
        }
    }
    fn collect_mut<'a>(&'a mut self, path: &str, out: &mut Vec<(String, &'a mut Param)>) {
        if let Some(item) = self {
            item.collect_mut(path, out);
        }
    }
}

impl<T: Parameters + ?Sized> Parameters for Box<T> {
    fn collect<'a>(&'a self, path: &str, out: &mut Vec<(String, &'a Param)>) {
        (**self).collect(path, out);
    }
    fn collect_mut<'a>(&'a mut self, path: &str, out: &mut Vec<(String, &'a mut Param)>) {
        (**self).collect_mut(path, out);
    }
}

/// Implement [`Parameters`] for a struct by naming the fields that hold tensors.
#[macro_export]
macro_rules! parameters {
    ($type:ty { $($field:ident),* $(,)? }) => {
        impl $crate::Parameters for $type {
            #[allow(unused_variables)]
            fn collect<'a>(&'a self, path: &str, out: &mut Vec<(String, &'a $crate::Param)>) {
                $($crate::Parameters::collect(&self.$field, &$crate::join(path, stringify!($field)), out);)*
            }
            #[allow(unused_variables)]
            fn collect_mut<'a>(&'a mut self, path: &str, out: &mut Vec<(String, &'a mut $crate::Param)>) {
                $($crate::Parameters::collect_mut(&mut self.$field, &$crate::join(path, stringify!($field)), out);)*
            }
        }
    };
}
