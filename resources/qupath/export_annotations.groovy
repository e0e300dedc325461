// Exports all objects of a QuPath project as GeoJSON, a file an image, beside project.qpproj.
//
// Run it in the script editor with "Run": it goes through all images of the open project by
// itself. Coverslip takes the files over with the project.
//
// Written against the names in QuPath's source; untried in QuPath itself.

import qupath.lib.io.PathIO
import qupath.lib.projects.Projects

def project = getProject()
if (project == null) {
    print "Open a project first."
    return
}
def folder = Projects.getBaseDirectory(project)
for (entry in project.getImageList()) {
    def hierarchy = entry.readHierarchy()
    def objects = hierarchy.getAllObjects(false)
    if (objects.isEmpty()) {
        continue
    }
    def name = entry.getImageName().replaceAll("[\\\\/:*?\"<>|]", "_")
    def file = new File(folder, name + ".geojson")
    if (file.exists()) {
        print file.getName() + " is there already and was left as it is."
        continue
    }
    file.withOutputStream { stream ->
        PathIO.exportObjectsAsGeoJSON(
                stream, objects, PathIO.GeoJsonExportOptions.FEATURE_COLLECTION)
    }
    print objects.size() + " objects of " + entry.getImageName() + " written."
}
