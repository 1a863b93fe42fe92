module @jit_step attributes {mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} {
  func.func public @main(%arg0: tensor<7x5xf32>, %arg1: tensor<5xf32>, %arg2: tensor<7x5xf32>, %arg3: tensor<5xf32>, %arg4: tensor<7x5xf32>, %arg5: tensor<5xf32>, %arg6: tensor<i32>, %arg7: tensor<7x5xf32>, %arg8: tensor<5xf32>) -> (tensor<7x5xf32> {jax.result_info = "result[0][0]"}, tensor<5xf32> {jax.result_info = "result[0][1]"}, tensor<7x5xf32> {jax.result_info = "result[1][0]"}, tensor<5xf32> {jax.result_info = "result[1][1]"}, tensor<7x5xf32> {jax.result_info = "result[2][0]"}, tensor<5xf32> {jax.result_info = "result[2][1]"}, tensor<i32> {jax.result_info = "result[3]"}) {
    %c = stablehlo.constant dense<1> : tensor<i32>
    %0 = stablehlo.add %arg6, %c : tensor<i32>
    %cst = stablehlo.constant dense<0.899999976> : tensor<f32>
    %1 = stablehlo.broadcast_in_dim %cst, dims = [] : (tensor<f32>) -> tensor<7x5xf32>
    %2 = stablehlo.multiply %1, %arg2 : tensor<7x5xf32>
    %cst_0 = stablehlo.constant dense<1.000000e-01> : tensor<f32>
    %3 = stablehlo.broadcast_in_dim %cst_0, dims = [] : (tensor<f32>) -> tensor<7x5xf32>
    %4 = stablehlo.multiply %3, %arg7 : tensor<7x5xf32>
    %5 = stablehlo.add %2, %4 : tensor<7x5xf32>
    %cst_1 = stablehlo.constant dense<0.899999976> : tensor<f32>
    %6 = stablehlo.broadcast_in_dim %cst_1, dims = [] : (tensor<f32>) -> tensor<5xf32>
    %7 = stablehlo.multiply %6, %arg3 : tensor<5xf32>
    %cst_2 = stablehlo.constant dense<1.000000e-01> : tensor<f32>
    %8 = stablehlo.broadcast_in_dim %cst_2, dims = [] : (tensor<f32>) -> tensor<5xf32>
    %9 = stablehlo.multiply %8, %arg8 : tensor<5xf32>
    %10 = stablehlo.add %7, %9 : tensor<5xf32>
    %cst_3 = stablehlo.constant dense<9.990000e-01> : tensor<f32>
    %11 = stablehlo.broadcast_in_dim %cst_3, dims = [] : (tensor<f32>) -> tensor<7x5xf32>
    %12 = stablehlo.multiply %11, %arg4 : tensor<7x5xf32>
    %cst_4 = stablehlo.constant dense<1.000000e-03> : tensor<f32>
    %13 = stablehlo.broadcast_in_dim %cst_4, dims = [] : (tensor<f32>) -> tensor<7x5xf32>
    %14 = stablehlo.multiply %13, %arg7 : tensor<7x5xf32>
    %15 = stablehlo.multiply %14, %arg7 : tensor<7x5xf32>
    %16 = stablehlo.add %12, %15 : tensor<7x5xf32>
    %cst_5 = stablehlo.constant dense<9.990000e-01> : tensor<f32>
    %17 = stablehlo.broadcast_in_dim %cst_5, dims = [] : (tensor<f32>) -> tensor<5xf32>
    %18 = stablehlo.multiply %17, %arg5 : tensor<5xf32>
    %cst_6 = stablehlo.constant dense<1.000000e-03> : tensor<f32>
    %19 = stablehlo.broadcast_in_dim %cst_6, dims = [] : (tensor<f32>) -> tensor<5xf32>
    %20 = stablehlo.multiply %19, %arg8 : tensor<5xf32>
    %21 = stablehlo.multiply %20, %arg8 : tensor<5xf32>
    %22 = stablehlo.add %18, %21 : tensor<5xf32>
    %23 = stablehlo.convert %0 : (tensor<i32>) -> tensor<f32>
    %cst_7 = stablehlo.constant dense<9.990000e-01> : tensor<f32>
    %24 = stablehlo.power %cst_7, %23 : tensor<f32>
    %cst_8 = stablehlo.constant dense<1.000000e+00> : tensor<f32>
    %25 = stablehlo.subtract %cst_8, %24 : tensor<f32>
    %26 = stablehlo.sqrt %25 : tensor<f32>
    %cst_9 = stablehlo.constant dense<1.000000e-03> : tensor<f32>
    %27 = stablehlo.multiply %cst_9, %26 : tensor<f32>
    %cst_10 = stablehlo.constant dense<0.899999976> : tensor<f32>
    %28 = stablehlo.power %cst_10, %23 : tensor<f32>
    %cst_11 = stablehlo.constant dense<1.000000e+00> : tensor<f32>
    %29 = stablehlo.subtract %cst_11, %28 : tensor<f32>
    %30 = stablehlo.divide %27, %29 : tensor<f32>
    %31 = stablehlo.broadcast_in_dim %30, dims = [] : (tensor<f32>) -> tensor<7x5xf32>
    %32 = stablehlo.multiply %31, %5 : tensor<7x5xf32>
    %33 = stablehlo.sqrt %16 : tensor<7x5xf32>
    %cst_12 = stablehlo.constant dense<9.99999993E-9> : tensor<f32>
    %34 = stablehlo.broadcast_in_dim %cst_12, dims = [] : (tensor<f32>) -> tensor<7x5xf32>
    %35 = stablehlo.add %33, %34 : tensor<7x5xf32>
    %36 = stablehlo.divide %32, %35 : tensor<7x5xf32>
    %37 = stablehlo.subtract %arg0, %36 : tensor<7x5xf32>
    %38 = stablehlo.broadcast_in_dim %30, dims = [] : (tensor<f32>) -> tensor<5xf32>
    %39 = stablehlo.multiply %38, %10 : tensor<5xf32>
    %40 = stablehlo.sqrt %22 : tensor<5xf32>
    %cst_13 = stablehlo.constant dense<9.99999993E-9> : tensor<f32>
    %41 = stablehlo.broadcast_in_dim %cst_13, dims = [] : (tensor<f32>) -> tensor<5xf32>
    %42 = stablehlo.add %40, %41 : tensor<5xf32>
    %43 = stablehlo.divide %39, %42 : tensor<5xf32>
    %44 = stablehlo.subtract %arg1, %43 : tensor<5xf32>
    return %37, %44, %5, %10, %16, %22, %0 : tensor<7x5xf32>, tensor<5xf32>, tensor<7x5xf32>, tensor<5xf32>, tensor<7x5xf32>, tensor<5xf32>, tensor<i32>
  }
}
