"""Two devices of TensorFlow on a machine with one processor."""

import tensorflow as tf


def make_two_cpus():
    """Makes the devices CPU:0 and CPU:1; called before TensorFlow runs anything."""
    cpus = tf.config.list_physical_devices("CPU")
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpus[0], two)
