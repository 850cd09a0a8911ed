"""TensorBoard's event files, read by TensorBoard."""


def scalars(folder):
    """From each name in TensorBoard's event files to its steps and values."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder))
    read.Reload()
    return {name: [(one.step, one.value) for one in read.Scalars(name)] for name in read.Tags()["scalars"]}
