module @jit_loss attributes {mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} {
  func.func public @main(%arg0: tensor<3x8xf32>, %arg1: tensor<8x8xf32>, %arg2: tensor<8xf32>, %arg3: tensor<7x4x3xf32>) -> (tensor<f32> {jax.result_info = "result[0]"}, tensor<3x8xf32> {jax.result_info = "result[1][0]"}, tensor<8x8xf32> {jax.result_info = "result[1][1]"}, tensor<8xf32> {jax.result_info = "result[1][2]"}) {
    %cst = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %0 = stablehlo.broadcast_in_dim %cst, dims = [] : (tensor<f32>) -> tensor<4x8xf32>
    %1 = stablehlo.broadcast_in_dim %arg2, dims = [1] : (tensor<8xf32>) -> tensor<1x8xf32>
    %cst_0 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %2 = stablehlo.broadcast_in_dim %cst_0, dims = [] : (tensor<f32>) -> tensor<7xf32>
    %cst_1 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %3 = stablehlo.broadcast_in_dim %cst_1, dims = [] : (tensor<f32>) -> tensor<7x4x8xf32>
    %cst_2 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %4 = stablehlo.broadcast_in_dim %cst_2, dims = [] : (tensor<f32>) -> tensor<7x4x8xf32>
    %cst_3 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %5 = stablehlo.broadcast_in_dim %cst_3, dims = [] : (tensor<f32>) -> tensor<7x4x8xf32>
    %c = stablehlo.constant dense<0> : tensor<i32>
    %6:10 = stablehlo.while(%iterArg = %arg3, %iterArg_15 = %arg0, %iterArg_16 = %arg1, %iterArg_17 = %1, %iterArg_18 = %c, %iterArg_19 = %0, %iterArg_20 = %2, %iterArg_21 = %3, %iterArg_22 = %4, %iterArg_23 = %5) : tensor<7x4x3xf32>, tensor<3x8xf32>, tensor<8x8xf32>, tensor<1x8xf32>, tensor<i32>, tensor<4x8xf32>, tensor<7xf32>, tensor<7x4x8xf32>, tensor<7x4x8xf32>, tensor<7x4x8xf32>
    cond {
      %c_24 = stablehlo.constant dense<7> : tensor<i32>
      %22 = stablehlo.compare LT, %iterArg_18, %c_24, SIGNED : (tensor<i32>, tensor<i32>) -> tensor<i1>
      stablehlo.return %22 : tensor<i1>
    } do {
      %22 = func.call @dynamic_index_in_dim(%iterArg, %iterArg_18) : (tensor<7x4x3xf32>, tensor<i32>) -> tensor<4x3xf32>
      %23:5 = func.call @closed_call(%iterArg_15, %iterArg_16, %iterArg_17, %iterArg_19, %22) : (tensor<3x8xf32>, tensor<8x8xf32>, tensor<1x8xf32>, tensor<4x8xf32>, tensor<4x3xf32>) -> (tensor<4x8xf32>, tensor<f32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
      %24 = func.call @dynamic_update_index_in_dim(%iterArg_20, %23#1, %iterArg_18) : (tensor<7xf32>, tensor<f32>, tensor<i32>) -> tensor<7xf32>
      %25 = func.call @dynamic_update_index_in_dim_0(%iterArg_21, %23#2, %iterArg_18) : (tensor<7x4x8xf32>, tensor<4x8xf32>, tensor<i32>) -> tensor<7x4x8xf32>
      %26 = func.call @dynamic_update_index_in_dim_0(%iterArg_22, %23#3, %iterArg_18) : (tensor<7x4x8xf32>, tensor<4x8xf32>, tensor<i32>) -> tensor<7x4x8xf32>
      %27 = func.call @dynamic_update_index_in_dim_0(%iterArg_23, %23#4, %iterArg_18) : (tensor<7x4x8xf32>, tensor<4x8xf32>, tensor<i32>) -> tensor<7x4x8xf32>
      %c_24 = stablehlo.constant dense<1> : tensor<i32>
      %28 = stablehlo.add %iterArg_18, %c_24 : tensor<i32>
      stablehlo.return %iterArg, %iterArg_15, %iterArg_16, %iterArg_17, %28, %23#0, %24, %25, %26, %27 : tensor<7x4x3xf32>, tensor<3x8xf32>, tensor<8x8xf32>, tensor<1x8xf32>, tensor<i32>, tensor<4x8xf32>, tensor<7xf32>, tensor<7x4x8xf32>, tensor<7x4x8xf32>, tensor<7x4x8xf32>
    }
    %7 = stablehlo.multiply %6#5, %6#5 : tensor<4x8xf32>
    %cst_4 = stablehlo.constant dense<2.000000e+00> : tensor<f32>
    %8 = stablehlo.broadcast_in_dim %cst_4, dims = [] : (tensor<f32>) -> tensor<4x8xf32>
    %9 = stablehlo.multiply %8, %6#5 : tensor<4x8xf32>
    %cst_5 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %10 = stablehlo.reduce(%7 init: %cst_5) applies stablehlo.add across dimensions = [0, 1] : (tensor<4x8xf32>, tensor<f32>) -> tensor<f32>
    %cst_6 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %11 = stablehlo.reduce(%6#6 init: %cst_6) applies stablehlo.add across dimensions = [0] : (tensor<7xf32>, tensor<f32>) -> tensor<f32>
    %cst_7 = stablehlo.constant dense<7.000000e+00> : tensor<f32>
    %12 = stablehlo.divide %11, %cst_7 : tensor<f32>
    %13 = stablehlo.add %10, %12 : tensor<f32>
    %cst_8 = stablehlo.constant dense<1.000000e+00> : tensor<f32>
    %cst_9 = stablehlo.constant dense<7.000000e+00> : tensor<f32>
    %14 = stablehlo.divide %cst_8, %cst_9 : tensor<f32>
    %15 = stablehlo.broadcast_in_dim %14, dims = [] : (tensor<f32>) -> tensor<7xf32>
    %cst_10 = stablehlo.constant dense<1.000000e+00> : tensor<f32>
    %16 = stablehlo.broadcast_in_dim %cst_10, dims = [] : (tensor<f32>) -> tensor<4x8xf32>
    %17 = stablehlo.multiply %16, %9 : tensor<4x8xf32>
    %cst_11 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %18 = stablehlo.broadcast_in_dim %cst_11, dims = [] : (tensor<f32>) -> tensor<3x8xf32>
    %cst_12 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %19 = stablehlo.broadcast_in_dim %cst_12, dims = [] : (tensor<f32>) -> tensor<8x8xf32>
    %cst_13 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %20 = stablehlo.broadcast_in_dim %cst_13, dims = [] : (tensor<f32>) -> tensor<8xf32>
    %c_14 = stablehlo.constant dense<0> : tensor<i32>
    %21:11 = stablehlo.while(%iterArg = %15, %iterArg_15 = %arg3, %iterArg_16 = %6#7, %iterArg_17 = %6#8, %iterArg_18 = %6#9, %iterArg_19 = %arg1, %iterArg_20 = %c_14, %iterArg_21 = %18, %iterArg_22 = %19, %iterArg_23 = %20, %iterArg_24 = %17) : tensor<7xf32>, tensor<7x4x3xf32>, tensor<7x4x8xf32>, tensor<7x4x8xf32>, tensor<7x4x8xf32>, tensor<8x8xf32>, tensor<i32>, tensor<3x8xf32>, tensor<8x8xf32>, tensor<8xf32>, tensor<4x8xf32>
    cond {
      %c_25 = stablehlo.constant dense<7> : tensor<i32>
      %22 = stablehlo.compare LT, %iterArg_20, %c_25, SIGNED : (tensor<i32>, tensor<i32>) -> tensor<i1>
      stablehlo.return %22 : tensor<i1>
    } do {
      %c_25 = stablehlo.constant dense<7> : tensor<i32>
      %22 = stablehlo.subtract %c_25, %iterArg_20 : tensor<i32>
      %c_26 = stablehlo.constant dense<1> : tensor<i32>
      %23 = stablehlo.subtract %22, %c_26 : tensor<i32>
      %24 = func.call @dynamic_index_in_dim_1(%iterArg, %23) : (tensor<7xf32>, tensor<i32>) -> tensor<f32>
      %25 = func.call @dynamic_index_in_dim(%iterArg_15, %23) : (tensor<7x4x3xf32>, tensor<i32>) -> tensor<4x3xf32>
      %26 = func.call @dynamic_index_in_dim_2(%iterArg_16, %23) : (tensor<7x4x8xf32>, tensor<i32>) -> tensor<4x8xf32>
      %27 = func.call @dynamic_index_in_dim_2(%iterArg_17, %23) : (tensor<7x4x8xf32>, tensor<i32>) -> tensor<4x8xf32>
      %28 = func.call @dynamic_index_in_dim_2(%iterArg_18, %23) : (tensor<7x4x8xf32>, tensor<i32>) -> tensor<4x8xf32>
      %29:4 = func.call @closed_call_3(%iterArg_19, %iterArg_21, %iterArg_22, %iterArg_23, %iterArg_24, %24, %25, %26, %27, %28) : (tensor<8x8xf32>, tensor<3x8xf32>, tensor<8x8xf32>, tensor<8xf32>, tensor<4x8xf32>, tensor<f32>, tensor<4x3xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>) -> (tensor<3x8xf32>, tensor<8x8xf32>, tensor<8xf32>, tensor<4x8xf32>)
      %c_27 = stablehlo.constant dense<1> : tensor<i32>
      %30 = stablehlo.add %iterArg_20, %c_27 : tensor<i32>
      stablehlo.return %iterArg, %iterArg_15, %iterArg_16, %iterArg_17, %iterArg_18, %iterArg_19, %30, %29#0, %29#1, %29#2, %29#3 : tensor<7xf32>, tensor<7x4x3xf32>, tensor<7x4x8xf32>, tensor<7x4x8xf32>, tensor<7x4x8xf32>, tensor<8x8xf32>, tensor<i32>, tensor<3x8xf32>, tensor<8x8xf32>, tensor<8xf32>, tensor<4x8xf32>
    }
    return %13, %21#7, %21#8, %21#9 : tensor<f32>, tensor<3x8xf32>, tensor<8x8xf32>, tensor<8xf32>
  }
  func.func private @dynamic_index_in_dim(%arg0: tensor<7x4x3xf32>, %arg1: tensor<i32>) -> tensor<4x3xf32> {
    %c = stablehlo.constant dense<0> : tensor<i32>
    %c_0 = stablehlo.constant dense<0> : tensor<i32>
    %0 = stablehlo.dynamic_slice %arg0, %arg1, %c, %c_0, sizes = [1, 4, 3] : (tensor<7x4x3xf32>, tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<1x4x3xf32>
    %1 = stablehlo.reshape %0 : (tensor<1x4x3xf32>) -> tensor<4x3xf32>
    return %1 : tensor<4x3xf32>
  }
  func.func private @closed_call(%arg0: tensor<3x8xf32>, %arg1: tensor<8x8xf32>, %arg2: tensor<1x8xf32>, %arg3: tensor<4x8xf32>, %arg4: tensor<4x3xf32>) -> (tensor<4x8xf32>, tensor<f32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>) {
    %0 = stablehlo.dot_general %arg4, %arg0, contracting_dims = [1] x [0], precision = [DEFAULT, DEFAULT] : (tensor<4x3xf32>, tensor<3x8xf32>) -> tensor<4x8xf32>
    %1 = stablehlo.dot_general %arg3, %arg1, contracting_dims = [1] x [0], precision = [DEFAULT, DEFAULT] : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
    %2 = stablehlo.add %0, %1 : tensor<4x8xf32>
    %3 = stablehlo.broadcast_in_dim %arg2, dims = [0, 1] : (tensor<1x8xf32>) -> tensor<4x8xf32>
    %4 = stablehlo.add %2, %3 : tensor<4x8xf32>
    %5 = stablehlo.tanh %4 : tensor<4x8xf32>
    %cst = stablehlo.constant dense<1.000000e+00> : tensor<f32>
    %6 = stablehlo.broadcast_in_dim %cst, dims = [] : (tensor<f32>) -> tensor<4x8xf32>
    %7 = stablehlo.subtract %6, %5 : tensor<4x8xf32>
    %cst_0 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %8 = stablehlo.reduce(%5 init: %cst_0) applies stablehlo.add across dimensions = [0, 1] : (tensor<4x8xf32>, tensor<f32>) -> tensor<f32>
    return %5, %8, %arg3, %5, %7 : tensor<4x8xf32>, tensor<f32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>
  }
  func.func private @dynamic_update_index_in_dim(%arg0: tensor<7xf32>, %arg1: tensor<f32>, %arg2: tensor<i32>) -> tensor<7xf32> {
    %0 = stablehlo.broadcast_in_dim %arg1, dims = [] : (tensor<f32>) -> tensor<1xf32>
    %1 = stablehlo.dynamic_update_slice %arg0, %0, %arg2 : (tensor<7xf32>, tensor<1xf32>, tensor<i32>) -> tensor<7xf32>
    return %1 : tensor<7xf32>
  }
  func.func private @dynamic_update_index_in_dim_0(%arg0: tensor<7x4x8xf32>, %arg1: tensor<4x8xf32>, %arg2: tensor<i32>) -> tensor<7x4x8xf32> {
    %0 = stablehlo.broadcast_in_dim %arg1, dims = [1, 2] : (tensor<4x8xf32>) -> tensor<1x4x8xf32>
    %c = stablehlo.constant dense<0> : tensor<i32>
    %c_0 = stablehlo.constant dense<0> : tensor<i32>
    %1 = stablehlo.dynamic_update_slice %arg0, %0, %arg2, %c, %c_0 : (tensor<7x4x8xf32>, tensor<1x4x8xf32>, tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<7x4x8xf32>
    return %1 : tensor<7x4x8xf32>
  }
  func.func private @dynamic_index_in_dim_1(%arg0: tensor<7xf32>, %arg1: tensor<i32>) -> tensor<f32> {
    %0 = stablehlo.dynamic_slice %arg0, %arg1, sizes = [1] : (tensor<7xf32>, tensor<i32>) -> tensor<1xf32>
    %1 = stablehlo.reshape %0 : (tensor<1xf32>) -> tensor<f32>
    return %1 : tensor<f32>
  }
  func.func private @dynamic_index_in_dim_2(%arg0: tensor<7x4x8xf32>, %arg1: tensor<i32>) -> tensor<4x8xf32> {
    %c = stablehlo.constant dense<0> : tensor<i32>
    %c_0 = stablehlo.constant dense<0> : tensor<i32>
    %0 = stablehlo.dynamic_slice %arg0, %arg1, %c, %c_0, sizes = [1, 4, 8] : (tensor<7x4x8xf32>, tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<1x4x8xf32>
    %1 = stablehlo.reshape %0 : (tensor<1x4x8xf32>) -> tensor<4x8xf32>
    return %1 : tensor<4x8xf32>
  }
  func.func private @closed_call_3(%arg0: tensor<8x8xf32>, %arg1: tensor<3x8xf32>, %arg2: tensor<8x8xf32>, %arg3: tensor<8xf32>, %arg4: tensor<4x8xf32>, %arg5: tensor<f32>, %arg6: tensor<4x3xf32>, %arg7: tensor<4x8xf32>, %arg8: tensor<4x8xf32>, %arg9: tensor<4x8xf32>) -> (tensor<3x8xf32>, tensor<8x8xf32>, tensor<8xf32>, tensor<4x8xf32>) {
    %0 = stablehlo.broadcast_in_dim %arg5, dims = [] : (tensor<f32>) -> tensor<4x8xf32>
    %1 = stablehlo.add %arg4, %0 : tensor<4x8xf32>
    %2 = stablehlo.multiply %1, %arg9 : tensor<4x8xf32>
    %3 = stablehlo.multiply %2, %arg8 : tensor<4x8xf32>
    %4 = stablehlo.add %2, %3 : tensor<4x8xf32>
    %cst = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %5 = stablehlo.reduce(%4 init: %cst) applies stablehlo.add across dimensions = [0] : (tensor<4x8xf32>, tensor<f32>) -> tensor<8xf32>
    %6 = stablehlo.reshape %5 : (tensor<8xf32>) -> tensor<1x8xf32>
    %cst_0 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %7 = stablehlo.reduce(%6 init: %cst_0) applies stablehlo.add across dimensions = [0] : (tensor<1x8xf32>, tensor<f32>) -> tensor<8xf32>
    %8 = stablehlo.add %arg3, %7 : tensor<8xf32>
    %9 = stablehlo.dot_general %4, %arg7, contracting_dims = [0] x [0], precision = [DEFAULT, DEFAULT] : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<8x8xf32>
    %10 = stablehlo.transpose %9, dims = [1, 0] : (tensor<8x8xf32>) -> tensor<8x8xf32>
    %11 = stablehlo.add %arg2, %10 : tensor<8x8xf32>
    %12 = stablehlo.dot_general %4, %arg0, contracting_dims = [1] x [1], precision = [DEFAULT, DEFAULT] : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
    %13 = stablehlo.dot_general %4, %arg6, contracting_dims = [0] x [0], precision = [DEFAULT, DEFAULT] : (tensor<4x8xf32>, tensor<4x3xf32>) -> tensor<8x3xf32>
    %14 = stablehlo.transpose %13, dims = [1, 0] : (tensor<8x3xf32>) -> tensor<3x8xf32>
    %15 = stablehlo.add %arg1, %14 : tensor<3x8xf32>
    return %15, %11, %8, %12 : tensor<3x8xf32>, tensor<8x8xf32>, tensor<8xf32>, tensor<4x8xf32>
  }
}
