# The public names of Keras that this package uses; see README.md.
# `keras._tf_keras.keras` is the same package under a name that no stub hides.
from keras import ops as ops
from keras import tree as tree
from keras._tf_keras.keras import Input as Input
from keras._tf_keras.keras import InputSpec as InputSpec
from keras._tf_keras.keras import KerasTensor as KerasTensor
from keras._tf_keras.keras import Layer as Layer
from keras._tf_keras.keras import Model as Model
from keras._tf_keras.keras import StatelessScope as StatelessScope
from keras._tf_keras.keras import Variable as Variable
from keras._tf_keras.keras import activations as activations
from keras._tf_keras.keras import backend as backend
from keras._tf_keras.keras import callbacks as callbacks
from keras._tf_keras.keras import config as config
from keras._tf_keras.keras import distribution as distribution
from keras._tf_keras.keras import dtype_policies as dtype_policies
from keras._tf_keras.keras import export as export
from keras._tf_keras.keras import initializers as initializers
from keras._tf_keras.keras import layers as layers
from keras._tf_keras.keras import losses as losses
from keras._tf_keras.keras import metrics as metrics
from keras._tf_keras.keras import mixed_precision as mixed_precision
from keras._tf_keras.keras import models as models
from keras._tf_keras.keras import optimizers as optimizers
from keras._tf_keras.keras import random as random
from keras._tf_keras.keras import saving as saving
from keras._tf_keras.keras import utils as utils
